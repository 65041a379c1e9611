"""The number of different tasks in the grammar, names and constants aside.

Counted exactly, by dynamic programming over the typed forms, for tasks of up to LONGEST_TASK operations:

    P(a, f, n)    pipelines of n operations from argument type a that end in form f
                  = [n = |f| and f takes a] + sum of P(a, g, n - |f|) over the forms g that f may follow
    pipelines     sum of P over a, f and n
    combined      for each combiner, argument type and split i + j + 1 = n:  pipelines(i) * pipelines(j)
    chosen        for each test, argument type, result type and split i + j + 1 = n:  pipelines(i) * pipelines(j)

Two different choices of forms are two different normalised programs (no two forms over one type have the same code,
which a test holds); a second argument in the place of a constant is
not counted. What the count does not see is which tasks are thrown away (something simpler does the same, or an
operation stands on both sides of a pair). That share is estimated: choices are drawn evenly from all that were counted,
given random constants, and put through the acceptance of every generated task. The lower estimate is the count times
the lower end of the share's 99% interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from data.tasks.acceptance import make_cases
from data.tasks.combining import COMBINERS
from data.tasks.composition import Task, draw_constants, sides_differ, tests_of
from data.tasks.grammar import FORMS, Form, grammar, may_follow
from data.tasks.operations import INPUT_TYPES, Combiner
from data.tasks.values import Choice

LONGEST_TASK = 6  # operations in the longest tasks of any split
RESULT_TYPES = (*INPUT_TYPES, "bool", "groups")
_BEFORE = {form: [g for g in FORMS if may_follow(g, form)] for form in FORMS}


@cache
def ending_in(argument: str, form: Form, size: int) -> int:
    """Number of pipelines of `size` operations from type `argument` that end in `form`."""
    rest = size - len(form.ops)
    if rest <= 0:
        return int(rest == 0 and form.takes == argument)
    return sum(ending_in(argument, before, rest) for before in _BEFORE[form])


@cache
def pipelines(argument: str, gives: str, size: int) -> int:
    """Number of pipelines of `size` operations from type `argument` to type `gives`."""
    return sum(ending_in(argument, form, size) for form in FORMS if form.gives == gives)


class Family(NamedTuple):
    """Tasks that agree in their types, sizes and in what joins two pipelines."""

    argument: str
    gives: str  # type of the pipelines' results
    sizes: tuple[int, ...]
    combiner: Combiner | None = None
    test: Form | None = None

    @property
    def tasks(self) -> int:
        """The number of choices of forms in the family."""
        return math.prod(pipelines(self.argument, self.gives, size) for size in self.sizes)


def families() -> Iterator[Family]:
    """Every family of tasks of up to LONGEST_TASK operations."""
    for argument in INPUT_TYPES:
        for size in range(1, LONGEST_TASK + 1):
            for gives in RESULT_TYPES:
                yield Family(argument, gives, (size,))
            for first in range(1, size - 1):
                sizes = (first, size - 1 - first)
                for combiner in COMBINERS:
                    yield Family(argument, combiner.parts, sizes, combiner=combiner)
                for test in tests_of(grammar(), argument):
                    for gives in RESULT_TYPES:
                        yield Family(argument, gives, sizes, test=test)


def count_tasks() -> int:
    """Choices of forms in the whole grammar, those that are thrown away included."""
    return sum(family.tasks for family in families())


def _weighted(items: Sequence[Choice], weights: Sequence[int], random: Random) -> Choice:
    totals = list(accumulate(weights))
    mark = random.random() * totals[-1]
    return next(item for item, total in zip(items, totals) if mark < total)


def _draw_pipeline(argument: str, forms: list[Form], size: int, random: Random) -> list[Form]:
    """A pipeline that ends in one of `forms`, each pipeline as likely as any other."""
    last = _weighted(forms, [ending_in(argument, form, size) for form in forms], random)
    rest = size - len(last.ops)
    return [*_draw_pipeline(argument, _BEFORE[last], rest, random), last] if rest else [last]


def _draw_task(family: Family, random: Random) -> Task:
    ends = [form for form in FORMS if form.gives == family.gives]
    chains = [_draw_pipeline(family.argument, ends, size, random) for size in family.sizes]
    steps = tuple(draw_constants(chain, random) for chain in chains)
    test = draw_constants([family.test], random)[0] if family.test else None
    return Task(family.argument, steps, family.combiner, test)


def estimate_tasks(draws: int, seed: int = 0) -> tuple[int, float]:
    """A lower estimate of the number of tasks that are not thrown away, and the share of `draws` that were not."""
    random = Random(f"{seed} count")
    all_families = [family for family in families() if family.tasks]
    weights = [family.tasks for family in all_families]
    kept = 0
    for _ in range(draws):
        task = _draw_task(_weighted(all_families, weights, random), random)
        kept += sides_differ(task) and make_cases(task, random) is not None
    share = kept / draws
    return int(sum(weights) * max(0.0, share - 2.58 * math.sqrt(share * (1 - share) / draws))), share
