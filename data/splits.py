"""A corpus as a run uses it: training examples, examples held out of them, and splits to be scored on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from data.config import DataConfig
from data.corpora.held_out import hold_out
from data.example import BadRecords, Example
from data.sources import open_source


@dataclass(frozen=True)
class Splits:
    """The parts of one corpus."""

    train: list[Example]  # trained on; their tests are dropped
    held_out: list[Example]  # taken out of the training part, for early stopping and tuning
    published: list[Example]  # the whole training part: a pair to score that stands there too is a duplicate
    tests: dict[str, Iterable[Example]]  # name -> what is scored; "held_out" where the corpus has no other split
    bad: BadRecords


def read_splits(name: str, data: DataConfig, seed: int) -> Splits:
    """Read the corpus `name`; the splits to be scored are read when they are iterated. Raises UserError.

    A corpus may lack a training part, to be scored alone; `train` is empty then.
    """
    source = open_source(name, data, seed, training_tests=False)
    tests = dict(source.splits())
    # The tests of training tasks are never run, and those of 100,000 generated tasks are most of the memory.
    published = [replace(example, tests=()) if example.tests else example for example in tests.pop("train", ())]
    train, held_out = hold_out(published, data.held_out, seed)  # whatever they are seen as
    train, held_out, published = (list(seen_by_network(part, data)) for part in (train, held_out, published))
    tests = {split: seen_by_network(examples, data) for split, examples in tests.items()}
    train = train[: data.train_limit or None]
    if not tests:
        tests, published = {"held_out": held_out}, train
    return Splits(train, held_out, published, tests, source.bad)


def seen_by_network(examples: Iterable[Example], data: DataConfig) -> Iterable[Example]:
    """The examples as the network reads them: reversed and behind a prefix where the settings say so."""
    if data.reverse:
        examples = map(reverse, examples)
    if data.prefix:
        examples = (replace(example, nl=data.prefix + (example.nl or "")) for example in examples)
    return examples


def reverse(example: Example) -> Example:
    """The reversed pair, without its tests: the code is read, its description is written."""
    return replace(example, nl=example.code, code=example.nl or "", language="text", tests=())
