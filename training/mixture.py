"""Which objectives an example is put under in an epoch, and what they are given (`--pretraining.objectives...`).

A weight is a probability, drawn for each objective: with span 0.5 and identifier 0.5 a quarter of the examples is seen
under both, and a quarter under neither. The schedule says in which epochs an objective is on; one that it does not name
is on in all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy

from data.example import Example, Item
from data.objectives import example_generator
from data.objectives.table import OBJECTIVES, objective
from data.perturb import PERTURBATIONS, perturb
from data.tokenizers.tokenizer import Tokenizer
from training.config import ObjectivesConfig
from training.strategies.config import StrategiesConfig

CODE_DRAWS = 8  # of code alone, until one is in the pair's language
OF_PAIRS = ("pairs", *(name for name, row in OBJECTIVES.items() if row.goes_with_pairs))  # see `Mixture.pair`


@dataclass
class Mixture:
    """Objectives and all that they draw from."""

    objectives: ObjectivesConfig
    tokenizer: Tokenizer
    seed: int
    examples: Sequence[Example]  # of the phase: where the other text of next_sentence and match comes from
    words: Sequence[str] = ()  # what made-up names are built of (rename)
    monolingual: Sequence[Example] = ()  # mined code (tae)
    strategies: StrategiesConfig = StrategiesConfig()  # what they change about pairs
    functions: dict[str, Callable[..., Any]] = field(init=False)  # of the objectives in use
    on_in: dict[int, frozenset[str]] = field(default_factory=dict, init=False)  # epoch -> what `on` has found

    def __post_init__(self) -> None:
        self.functions = import_objectives(self.objectives, self.strategies.auxiliary.task)

    def on(self, epoch: int) -> frozenset[str]:
        """The objectives that are on in an epoch."""
        if epoch not in self.on_in:  # asked for every example
            self.on_in[epoch] = frozenset(name for name in self.functions if self.objectives.is_on(name, epoch))
        return self.on_in[epoch]

    def items(self, example: Example, epoch: int) -> Iterator[tuple[Item, Example]]:
        """The items of the objectives that are drawn for the example, each with the example that it was made of."""
        generator, on = example_generator(self.seed, epoch, example.id), self.on(epoch)
        if example.nl is not None and "pairs" in on and is_drawn(self.objectives.pairs, generator):
            yield from self.pair(example, on, generator)
        whole = one_text(example) if self.objectives.both_texts else example
        for name, function in self.functions.items():
            if name in on and name not in OF_PAIRS and is_drawn(getattr(self.objectives, name), generator):
                read = whole if OBJECTIVES[name].reads_one_text else example
                item = function(read, self.tokenizer, generator, **self.arguments(name, example))
                if item is not None:
                    yield item, example

    def pair(
        self, example: Example, on: frozenset[str], generator: numpy.random.Generator
    ) -> Iterator[tuple[Item, Example]]:
        """A pair, with made-up names where `rename` is drawn, and after it code alone where `tae` is."""
        chosen = example
        if "rename" in on and is_drawn(self.objectives.rename, generator):
            chosen = self.functions["rename"](example, self.words, generator)
        if is_drawn(self.strategies.perturb, generator):
            chosen = perturb(chosen, PERTURBATIONS[int(generator.integers(len(PERTURBATIONS)))], generator)
        item = self.functions["pairs"](chosen, self.tokenizer, generator)
        yield self.with_auxiliary(item, chosen, generator), example

        if "tae" in on and is_drawn(self.objectives.tae, generator):
            code = self.code_alone(example.language, generator)
            if code is not None:
                yield self.functions["tae"](code, self.tokenizer, generator), code

    def with_auxiliary(self, item: Item, example: Example, generator: numpy.random.Generator) -> Item:
        """The pair's item with the auxiliary task's beside it."""
        name = self.strategies.auxiliary.task
        if name == "none":
            return item
        task = objective(name)(example, self.tokenizer, generator, **self.arguments(name, example))
        return replace(item, auxiliary=task)

    def code_alone(self, language: str, generator: numpy.random.Generator) -> Example | None:
        """A mined example in this language; None where it was not met in a few draws."""
        if not self.monolingual:
            return None
        for index in generator.integers(len(self.monolingual), size=CODE_DRAWS).tolist():
            if self.monolingual[index].language == language:
                return self.monolingual[index]
        return None

    def arguments(self, name: str, example: Example) -> dict[str, Any]:
        """What an objective's function takes besides example, tokenizer and generator."""
        given: dict[str, Any] = {}
        for argument in OBJECTIVES[name].takes:
            if argument == "all":
                given["others"] = self.examples
            elif argument == "neighbours":
                given["others"] = self.neighbours.of(example)
            else:
                given[argument] = getattr(self.objectives, argument)
        return given

    @cached_property
    def neighbours(self) -> Any:
        """The described functions of the phase by module and length (data/objectives/matching.py)."""
        from data.objectives.matching import Neighbours

        return Neighbours(self.examples)


def one_text(example: Example) -> Example:
    """A described function as text without a description: its description, a line break, its code."""
    return example if example.nl is None else replace(example, nl=None, code=f"{example.nl}\n{example.code}")


def import_objectives(objectives: ObjectivesConfig, auxiliary: str = "none") -> dict[str, Callable[..., Any]]:
    """The functions of the objectives in use, and no others: a run's code hash covers what it has imported.

    Of the `auxiliary` task (training/strategies/auxiliary.py) the function is imported and not given back.
    """
    if auxiliary != "none":
        objective(auxiliary)
    if objectives.match:
        importlib.import_module("training.matching")  # measured at the end of the phase
    return {name: objective(name) for name in OBJECTIVES if getattr(objectives, name)}


def is_drawn(weight: float, generator: numpy.random.Generator) -> bool:
    """Whether an objective of this weight is drawn for an example."""
    return weight > 0 and (weight >= 1 or generator.random() < weight)
