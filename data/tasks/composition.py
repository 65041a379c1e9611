"""The composition of operations to a task: a pipeline, two combined results, or two pipelines behind a condition.

    pipeline   A                    one step feeds the next
    combine    A and B, joined      the sum of xs minus the largest number in xs
    choose     if test: A else B    if n is even, n squared, otherwise n plus 3
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, product
from random import Random
from typing import Any, NamedTuple

from data.tasks.grammar import Form, Grammar, may_follow
from data.tasks.operations import INPUT_TYPES, Combiner
from data.tasks.values import CONSTANTS, pick

PARAMETER = object()  # stands where a constant would: the function's second argument
LONGEST_LIST = 40  # items of a list on the way
LONGEST_TEXT = 80  # characters of a text on the way
LARGEST = 10**6  # absolute value of a number on the way
LARGEST_LISTED = 400  # a number from which a list as long as itself may be made
PAIR_TRIES = 20  # draws of a second pipeline for a first
QUANTIFIED = 0.05  # share of draws that take a step of two operations where there is room for it


class TooLarge(ValueError):
    """A value on the way is too long or too large to be shown in a test."""


class Step(NamedTuple):
    """A form with its constants; one of them may be PARAMETER."""

    form: Form
    constants: tuple[Any, ...]


class Task(NamedTuple):
    """A program of the grammar, without names."""

    argument: str  # type
    pipelines: tuple[tuple[Step, ...], ...]  # one; or two, to be combined or chosen between
    combiner: Combiner | None = None
    test: Step | None = None
    parameter: str = ""  # kind of the constant that the second argument replaces

    @property
    def ops(self) -> tuple[str, ...]:
        """Its operations in program order; their number is the task's number of steps."""
        steps = [step for pipeline in self.pipelines for step in pipeline]
        names = [op for step in ([self.test, *steps] if self.test else steps) for op in step.form.ops]
        return tuple(names + ([self.combiner.name] if self.combiner else []))


def _too_large(value: Any) -> bool:
    if isinstance(value, int):
        return not -LARGEST <= value <= LARGEST
    return len(value) > (LONGEST_TEXT if isinstance(value, str) else LONGEST_LIST)


def _run_pipeline(pipeline: tuple[Step, ...], value: Any) -> Any:
    for form, constants in pipeline:
        if form.lists_numbers and value > LARGEST_LISTED:
            raise TooLarge
        value = form.run(value, *constants)
        if _too_large(value):
            raise TooLarge
    return value


def _bind(pipeline: tuple[Step, ...], parameter: Any) -> tuple[Step, ...]:
    return tuple(
        Step(form, tuple(parameter if c is PARAMETER else c for c in constants)) for form, constants in pipeline
    )


def run(task: Task, value: Any, parameter: Any = None) -> Any:
    """The reference result for one input. Raises TooLarge."""
    pipelines = task.pipelines
    if task.parameter:
        pipelines = tuple(_bind(pipeline, parameter) for pipeline in pipelines)
    if task.test:
        return _run_pipeline(pipelines[0 if _run_pipeline((task.test,), value) else 1], value)
    result = _run_pipeline(pipelines[0], value)
    if task.combiner:
        result = task.combiner.run(result, _run_pipeline(pipelines[1], value))
        if _too_large(result):
            raise TooLarge
    return result


def _simpler_pipelines(argument: str, pipeline: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Every pipeline with some steps left out whose types still fit; the empty one is the argument itself."""
    for kept in product((True, False), repeat=len(pipeline)):
        simpler = tuple(compress(pipeline, kept))
        kind = argument
        for step in simpler:
            if step.form.takes != kind:
                break
            kind = step.form.gives
        else:
            if simpler != pipeline and kind == pipeline[-1].form.gives:
                yield simpler


def proper_parts(task: Task) -> Iterator[Task]:
    """Every simpler task inside `task` with the same type of result; a pipeline of it may be empty."""
    for index, pipeline in enumerate(task.pipelines):
        for simpler in _simpler_pipelines(task.argument, pipeline):
            pipelines = (*task.pipelines[:index], simpler, *task.pipelines[index + 1 :])
            yield task._replace(pipelines=pipelines)
    if len(task.pipelines) == 2:
        for pipeline in task.pipelines:
            if task.test or task.combiner.gives == task.combiner.parts:
                alone = task._replace(pipelines=(pipeline,), combiner=None, test=None)
                yield alone
                yield from proper_parts(alone)


def tests_of(grammar: Grammar, argument: str) -> list[Form]:
    """The forms that may decide between two pipelines."""
    return [form for form in grammar.taking[argument][0] if form.gives == "bool"]


def sides_differ(task: Task) -> bool:
    """Whether no operation stands in both pipelines, or in a pipeline and the test."""
    sides = [[op for step in pipeline for op in step.form.ops] for pipeline in task.pipelines]
    if task.test:
        sides.append(list(task.test.form.ops))
    return sum(len(set(side)) for side in sides) == len({op for side in sides for op in side})


def _draw_form(groups: list[list[Form]], room: int, random: Random) -> Form | None:
    one, two = groups
    if two and room >= 2 and (not one or random.random() < QUANTIFIED):
        return pick(random, two)
    return pick(random, one) if one else None


def _draw_forms(
    grammar: Grammar, focus: Form, size: int, random: Random, ahead: bool = True, behind: bool = True
) -> list[Form] | None:
    """A chain of `size` operations around `focus` (others stand `ahead` of it, `behind` it, or both); None where this
    draw does not fit."""
    chain = [focus]
    room = size - len(focus.ops)
    before = int(random.random() * (room + 1)) if behind and focus.gives in INPUT_TYPES else room
    before = before if ahead else 0
    while before:
        form = _draw_form(grammar.giving[chain[0].takes], before, random)
        if form is None or not may_follow(form, chain[0]):
            return None
        chain.insert(0, form)
        before -= len(form.ops)
    room = size - sum(len(form.ops) for form in chain)
    while room:
        form = _draw_form(grammar.taking[chain[-1].gives], room, random)
        if form is None or not may_follow(chain[-1], form):
            return None
        chain.append(form)
        room -= len(form.ops)
    return chain


def draw_constants(forms: list[Form], random: Random) -> tuple[Step, ...]:
    """The forms with random constants."""
    return tuple(Step(f, tuple(pick(random, CONSTANTS[kind]) for kind in f.kinds)) for f in forms)


def _draw_chain(grammar: Grammar, argument: str, gives: str, size: int, random: Random) -> list[Form] | None:
    """A chain of `size` operations from type `argument` to type `gives`."""
    last = _draw_form(grammar.giving[gives], size, random)
    chain = last and _draw_forms(grammar, last, size, random, behind=False)
    return chain if chain and chain[0].takes == argument else None


def _draw_pair(
    grammar: Grammar, first: list[Form], size: int, joint: Combiner | Form, random: Random
) -> Task | None:
    """Two pipelines, together with the combiner or the test `size` operations; `first` is one of them."""
    kind, gives = first[0].takes, first[-1].gives
    room = size - 1 - sum(len(f.ops) for f in first)
    for _ in range(PAIR_TRIES if room >= 1 else 0):
        second = _draw_chain(grammar, kind, gives, room, random)
        if second is None:
            continue
        order = [first, second] if random.random() < 0.5 else [second, first]
        pipelines = tuple(draw_constants(forms, random) for forms in order)
        if isinstance(joint, Combiner):
            task = Task(kind, pipelines, combiner=joint)
        else:
            task = Task(kind, pipelines, test=draw_constants([joint], random)[0])
        if sides_differ(task):
            return task
    return None


def _draw_combined(grammar: Grammar, combiner: Combiner, size: int, random: Random) -> Task | None:
    for _ in range(PAIR_TRIES):
        share = 1 + int(random.random() * (size - 2))
        last = _draw_form(grammar.giving[combiner.parts], share, random)
        first = last and _draw_forms(grammar, last, share, random, behind=False)
        if first and (task := _draw_pair(grammar, first, size, combiner, random)):
            return task
    return None


def _parametrised(task: Task, random: Random) -> Task:
    """`task` with one of its constants, drawn evenly, made the function's second argument."""
    slots = [(i, j, k) for i, p in enumerate(task.pipelines) for j, s in enumerate(p) for k in range(len(s.constants))]
    if not slots:
        return task
    i, j, k = pick(random, slots)
    step = task.pipelines[i][j]
    constants = (*step.constants[:k], PARAMETER, *step.constants[k + 1 :])
    pipeline = (*task.pipelines[i][:j], Step(step.form, constants), *task.pipelines[i][j + 1 :])
    pipelines = (*task.pipelines[:i], pipeline, *task.pipelines[i + 1 :])
    return task._replace(pipelines=pipelines, parameter=step.form.kinds[k])


PAIRED = 0.25  # share of the tasks of three or more operations that have two pipelines
PARAMETRISED = 0.08  # share of the tasks with a second argument


def draw_task(grammar: Grammar, focus: str, size: int, random: Random) -> Task | None:
    """A task of `size` operations in which the operation `focus` occurs, or None where this draw does not fit."""
    combiner = next((combiner for combiner in grammar.combiners if combiner.name == focus), None)
    if combiner is not None:
        task = _draw_combined(grammar, combiner, max(size, 3), random)
    else:
        form = _draw_form(grammar.with_operation[focus], max(size, 2), random)
        size = max(size, len(form.ops))
        task = None
        if size >= 3 and random.random() < PAIRED:
            task = _draw_around(grammar, form, size, random)
        if task is None:
            chain = _draw_forms(grammar, form, size, random)
            task = Task(chain[0].takes, (draw_constants(chain, random),)) if chain else None
    if task and random.random() < PARAMETRISED:
        task = _parametrised(task, random)
    return task


def _draw_around(grammar: Grammar, form: Form, size: int, random: Random) -> Task | None:
    """Two pipelines, combined or chosen between; the form is the test or stands in one of them."""
    share = max(len(form.ops), 1 + int(random.random() * (size - 2)))
    if form in tests_of(grammar, form.takes) and random.random() < 0.5:
        first = _draw_forms(grammar, pick(random, grammar.taking[form.takes][0]), share, random, ahead=False)
        return first and _draw_pair(grammar, first, size, form, random)
    first = _draw_forms(grammar, form, share, random)
    if not first:
        return None
    combiners = [c for c in grammar.combiners if c.parts == first[-1].gives]
    tests = tests_of(grammar, first[0].takes)
    choices = combiners if combiners and random.random() < 0.5 else tests
    return _draw_pair(grammar, first, size, pick(random, choices), random) if choices else None
