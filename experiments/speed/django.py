"""Shape B: the network of shape A on Django's pairs, counted in real tokens, the loading of data included.

Others take 32 random pairs a batch, padded to the longest, as a plain DataLoader does, or the batches that this project
makes: as many of them an epoch, of pairs of similar length. Both go on in the epoch's order from turn to turn. What is
done once an epoch (our plan) counts in each turn by the turn's share of the epoch's tokens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy

from data.batches import collate, plan_batches
from data.config import DataConfig
from data.example import Example, Item
from data.objectives.pairs import pairs
from data.sources import open_source
from data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from experiments.speed.training import PEERS_PAD_ID, Pairs, Trainer

VOCABULARY = 2000  # pieces, as in the recipe for this corpus
PAIRS_A_BATCH = 32  # pairs in a random batch, and on average in ours
LONGEST = 256  # tokens of a source or a target; longer pairs are left out, for everybody


@dataclass(frozen=True)
class Special:
    """The ids that the networks of shape A share."""

    pad_id: int = PEERS_PAD_ID
    decoder_start_id: int = PEERS_PAD_ID


@dataclass
class Django:
    """The training pairs, and the vocabulary that all share."""

    examples: list[Example]
    tokenizer: Tokenizer
    ours: bool  # whether pairs of similar length share a batch

    def item(self, example: Example) -> Item:
        """Text to ids: part of every batch's loading."""
        return pairs(example, self.tokenizer, None)

    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of each pair: our plan needs them before the epoch, so their making counts as its cost."""
        return [(len(item.source), len(item.target)) for item in map(self.item, self.examples)]

    def plan(self, lengths: Sequence[tuple[int, int]]) -> tuple[list[list[int]], float]:
        """The epoch's batches as indices, and the seconds that an epoch spends on them before its first step."""
        if not self.ours:
            order = numpy.random.default_rng(0).permutation(len(self.examples)).tolist()
            return [order[first : first + PAIRS_A_BATCH] for first in range(0, len(order), PAIRS_A_BATCH)], 0.0
        low, high = 64, 1 << 16
        while high - low > 16:  # the token budget that makes as many batches as the others have
            middle = (low + high) // 2
            too_small = len(plan_batches(lengths, middle, 0, 0)) > len(self.examples) / PAIRS_A_BATCH
            low, high = (middle, high) if too_small else (low, middle)
        began = time.perf_counter()
        return plan_batches(self.lengths(), high, 0, 0), time.perf_counter() - began


def read_django(folder: str, ours: bool) -> Django:
    """Django's training pairs that are not too long, and a vocabulary learned on them. Raises UserError."""
    examples = list(open_source("django", DataConfig(path=folder), 0).splits()["train"])
    tokenizer = train_tokenizer((text for example in examples for text in (example.nl, example.code)), VOCABULARY)
    found = Django(examples, tokenizer, ours)
    fitting = [max(pair) <= LONGEST for pair in found.lengths()]
    found.examples = list(compress(examples, fitting))
    return found


def padding_of(lengths: Sequence[tuple[int, int]], plan: Sequence[Sequence[int]]) -> float:
    """Share of the padded tokens of an epoch that are padding: counted, not timed."""
    real = sum(source + target for source, target in lengths)
    padded = 0
    for batch in plan:
        sizes = numpy.array([lengths[index] for index in batch])  # (B, 2)
        padded += len(batch) * int(sizes.max(axis=0).sum())
    return 1 - real / padded


class Epoch:
    """Takes steps through the epoch, some tokens a turn, without end."""

    def __init__(self, django: Django, trainer: Trainer) -> None:
        self.django, self.trainer = django, trainer
        lengths = django.lengths()
        self.plan, self.planning = django.plan(lengths)
        self.tokens = sum(source + target for source, target in lengths)  # real ones of an epoch
        self.padding = padding_of(lengths, self.plan)
        self.batches = self.endless()

    def endless(self) -> Iterator[list[int]]:
        """The epoch's batches, over and over."""
        while True:
            yield from self.plan

    def turn(self, n_tokens: int) -> tuple[float, int]:
        """Steps until `n_tokens` real tokens are done. Returns seconds and real tokens."""
        began, done = time.perf_counter(), 0
        while done < n_tokens:
            batch, real = self.load(next(self.batches))
            self.trainer.step(batch)
            done += real
        return time.perf_counter() - began + self.planning * done / self.tokens, done

    def load(self, indices: list[int]) -> tuple[Pairs, int]:
        """Texts to a padded batch, and its real tokens."""
        items = [self.django.item(self.django.examples[index]) for index in indices]
        batch = collate(items, [""] * len(items), Special())
        labels = batch.target.masked_fill(~batch.target_mask, -100)
        return Pairs(batch.source, batch.source_mask, batch.decoder_input, labels), batch.n_tokens
