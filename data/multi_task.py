"""Multi-task training (chapter 3.2, strategy 3): several tasks at once, told apart by a prefix (Raffel et al. 2020).

    django: call the method ...         ->  foo ( )         the corpus's own task, which is scored
    describe django: foo ( )            ->  call the method ...             the task "summary"
    nl2bash: list all files ...         ->  find . -type f                  another corpus, in another language

Restoring noised lines is a task of its own without a prefix: `--training.objectives.denoise`. How often a task is seen
is scaled by a temperature T (Raffel et al. 2020, 3.5.2): its share is its size to the power 1 / T. With T = 1 all of
every task is seen in an epoch, with a large T all tasks equally often. A step costs what a plain one costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy

from data.config import DataConfig
from data.example import BadRecords, Example
from data.slots import hide
from data.splits import read_splits, reverse
from system.cache import cache_folder
from system.errors import UserError

SUMMARY = "summary"


class Tasks(Sequence[Example]):
    """The examples of all tasks, one task after the other; the first one is seen once an epoch."""

    def __init__(self, tasks: Mapping[str, Sequence[Example]], temperature: float) -> None:
        self.examples = [example for examples in tasks.values() for example in examples]
        self.sizes = [len(examples) for examples in tasks.values()]
        first = self.sizes[0]
        self.counts = [round(first * (size / first) ** (1 / temperature)) for size in self.sizes]  # in an epoch

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, number: Any) -> Any:
        """One example, or a list of those of a slice."""
        return self.examples[number]

    def drawn(self, generator: numpy.random.Generator) -> numpy.ndarray:
        """The numbers of an epoch's examples in a random order; a task repeats itself only where it must."""
        parts, start = [], 0
        for size, count in zip(self.sizes, self.counts, strict=True):
            rounds = [generator.permutation(size) for _ in range(-(-count // size))]
            parts.append(start + numpy.concatenate(rounds)[:count])
            start += size
        return generator.permutation(numpy.concatenate(parts))


def with_tasks(
    train: Sequence[Example], corpus: str, tasks: Sequence[str], temperature: float, data: DataConfig, seed: int,
    bad: BadRecords,
) -> Tasks:
    """The corpus's training examples, which have their prefix already, and those of other tasks.

    Other corpora are read from the cache; their bad records are added to `bad`. Raises UserError.
    """
    found = {corpus: train}
    for task in tasks:
        if task == SUMMARY:
            found[task] = [summary(example, corpus, data.prefix) for example in train]
        else:
            if not cache_folder(task).is_dir():
                raise UserError(
                    f"strategies.tasks.names: {task} is not in the cache; run `python -m data fetch {task}`"
                )
            own = replace(data, path="", prefix=f"{task}: ", train_limit=0)
            splits = read_splits(task, own, seed)
            found[task] = [hide(example, own) for example in splits.train]
            bad.add_all(splits.bad)
        if not found[task]:
            raise UserError(f"strategies.tasks.names: {task} has nothing to train on; leave it out")
    return Tasks(found, temperature)


def summary(example: Example, corpus: str, prefix: str) -> Example:
    """The pair as an example of the task "summary": code is read, its description is written."""
    turned = reverse(replace(example, nl=(example.nl or "").removeprefix(prefix)))
    return replace(turned, id=f"{example.id}:{SUMMARY}", nl=f"describe {corpus}: {turned.nl}")


def task_of(example: Example) -> str:
    """The task of an example: its language, and for a generated task its first operation as well."""
    return " ".join([example.language, *example.meta.get("ops", ())[:1]])
