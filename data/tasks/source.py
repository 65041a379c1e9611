"""Generated tasks as a `Source`, with a training split that is drawn once and then read from the user's cache.

Drawing takes its time, since every task is run and compared with simpler ones. What is remembered has no tests: those
of training tasks are never run, and they are most of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.config import DataConfig
from data.example import BadRecords, Example
from data.tasks.grammar import OPERATION_NAMES
from data.tasks.tasks import PROGRAM_SIZES, generate
from system.cache import cache_key, remembered, sources_hash
from system.errors import UserError

GENERATOR = Path(__file__).parent  # its sources decide what is drawn


class GeneratedSource:
    """The corpus "generated": every split is drawn when it is iterated.

    Without `training_tests` the training split has no tests and comes from the cache where it was drawn before.
    """

    name = "generated"
    language = "python"

    def __init__(self, config: DataConfig, seed: int, training_tests: bool = True) -> None:
        self.config, self.seed, self.training_tests = config, seed, training_tests
        self.bad = BadRecords()
        self._trained: set[str] | None = None  # the normalised programs in training

    def splits(self) -> dict[str, Iterator[Example]]:
        """Training and four tests; see the package's docstring."""
        drawn = self.config.generated_test, self.seed, self.config.generated_operations
        tests = {name: filter(self.is_chosen, generate(name, *drawn)) for name in PROGRAM_SIZES if name != "train"}
        return {"train": self._train(), **tests, "in_distribution": self._in_distribution(tests["in_distribution"])}

    def is_chosen(self, example: Example) -> bool:
        """Whether a task's operations are among those that are asked for."""
        operations, config = set(example.meta["ops"]), self.config
        without = operations.isdisjoint(config.generated_without)
        return without and not (config.generated_only and operations.isdisjoint(config.generated_only))

    def _train(self) -> Iterator[Example]:
        draw = generate if self.training_tests else untested_tasks
        seen: set[str] = set()
        drawn = draw("train", self.config.generated_train, self.seed, self.config.generated_operations)
        for example in filter(self.is_chosen, drawn):
            seen.add(example.meta["normalised"])
            yield example
        self._trained = seen

    def _in_distribution(self, examples: Iterator[Example]) -> Iterator[Example]:
        """The tasks with `normalised_is_new`; draws the training split for it unless that was read to its end."""
        if self._trained is None:
            for _ in self._train():
                pass
        for example in examples:
            example.meta["normalised_is_new"] = example.meta["normalised"] not in self._trained
            yield example


def untested_tasks(split: str, count: int, seed: int, n_operations: int = 0) -> list[Example]:
    """`generate` with the same arguments, without the tests, remembered in the user's cache."""
    key = cache_key(split, count, seed, n_operations, sources_hash(GENERATOR.glob("*.py")))
    columns = remembered("generated", key, lambda: as_columns(generate(split, count, seed, n_operations)))
    return as_examples(columns)


def as_columns(examples: Iterator[Example]) -> dict[str, list[Any]]:
    """Examples as columns, which JSON reads faster than rows. Of both tables of `meta` equal entries stand once."""
    columns: dict[str, list[Any]] = {name: [] for name in ("id", "nl", "code", "ops", "normalised")}
    tables: dict[str, dict[Any, int]] = {"ops": {}, "normalised": {}}  # entry -> its place
    for example in examples:
        for name in ("id", "nl", "code"):
            columns[name].append(getattr(example, name))
        for name, table in tables.items():
            columns[name].append(table.setdefault(example.meta[name], len(table)))
    return columns | {f"table of {name}": list(table) for name, table in tables.items()}


def as_examples(columns: dict[str, list[Any]]) -> list[Example]:
    """The examples that `as_columns` wrote as columns."""
    ops = [tuple(names) for names in columns["table of ops"]]
    normalised = columns["table of normalised"]
    places = zip(columns["ops"], columns["normalised"], strict=True)
    metas = ({"ops": ops[i], "normalised": normalised[j]} for i, j in places)
    texts = zip(columns["id"], columns["nl"], columns["code"], metas, strict=True)
    return [Example(id, nl, code, meta=meta) for id, nl, code, meta in texts]


def generated_source(config: DataConfig, seed: int, training_tests: bool = True) -> GeneratedSource:
    """The generated corpus for a configuration and a seed. Raises UserError where there are not so many operations."""
    if config.generated_operations > len(OPERATION_NAMES):
        raise UserError(
            f"data.generated_operations={config.generated_operations} is more than the {len(OPERATION_NAMES)} there "
            "are; lower it, or give 0 for all"
        )
    for name in ("generated_without", "generated_only"):
        for operation in getattr(config, name):
            if operation not in OPERATION_NAMES:
                known = ", ".join(OPERATION_NAMES)
                raise UserError(f"data.{name}: no operation is called {operation}; choose among {known}")
    return GeneratedSource(config, seed, training_tests)
