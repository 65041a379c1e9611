"""How well the network tells which description belongs to which code, beside a baseline that only counts words.

Description-code matching is worth something only where it is not word spotting: a bag of words, fitted on training
pairs, says for held-out pairs how far that goes. Both see the same pairs, with the same words masked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import torch

from data.batches import collate
from data.example import Example, Item, evenly
from data.objectives import example_generator
from data.objectives.matching import Neighbours, description_code_matching, words
from data.tokenizers.tokenizer import Tokenizer
from model.transformer import Transformer
from training.batch_loss import head_logits

N_QUESTIONS = 4000  # about held-out pairs
FITTED = 4000  # pairs that the baseline is fitted on
PAIRS_AT_ONCE = 16  # pairs scored at a time


class Accuracy(NamedTuple):
    """The shares of the questions about held-out pairs that network and baseline answer rightly."""

    network: float
    bag_of_words: float
    n: int
    by_function: list[tuple[int, int, int]]  # questions about it, how many the network, the bag of words has right


def matching_accuracy(
    model: Transformer, tokenizer: Tokenizer, train: Sequence[Example], held_out: Sequence[Example],
    masked_share: float, longest: int,
) -> Accuracy | None:
    """The accuracy of network and baseline on pairs of at most `longest` tokens.

    None where hardly any function has a neighbour to be confused with.
    """
    questions = list(matching_questions(held_out, tokenizer, masked_share, longest, N_QUESTIONS))
    if len(questions) < 2:
        return None
    functions, scored = zip(*questions, strict=True)
    fitted = matching_questions(train, tokenizer, masked_share, longest, FITTED)
    baseline = BagOfWords([texts(item, tokenizer) for _, item in fitted])
    counted = [baseline.matches(*texts(item, tokenizer)[:2]) == bool(item.labels[0]) for item in scored]
    answered = network_answers(model, tokenizer, scored)
    sums: dict[str, list[int]] = {}
    for function, *right in zip(functions, answered, counted, strict=True):
        sums[function] = [old + new for old, new in zip(sums.get(function, (0, 0, 0)), (1, *right), strict=True)]
    n = len(scored)
    return Accuracy(sum(answered) / n, sum(counted) / n, n, [tuple(of_one) for of_one in sums.values()])


def matching_questions(
    examples: Sequence[Example], tokenizer: Tokenizer, masked_share: float, longest: int, about: int
) -> Iterator[tuple[str, Item]]:
    """Yield pairs (function's id, question) about the described functions, `about` of them, the same each time.

    Of many functions some get a question, at even distances; of few functions each gets several, with other draws.
    """
    neighbours = Neighbours(examples)
    described = sorted(index for indices in neighbours.indices.values() for index in indices)
    for draw in range(max(1, about // max(1, len(described)))):
        for index in evenly(described, about):
            example = examples[index]
            generator = example_generator(0, draw, example.id)
            item = description_code_matching(example, tokenizer, generator, neighbours.of(example), masked_share)
            if item is not None and len(item.source) <= longest:
                yield example.id, item


@torch.no_grad()
def network_answers(model: Transformer, tokenizer: Tokenizer, items: Sequence[Item]) -> list[bool]:
    """For each item whether the match head's answer is its label."""
    was_training, right = model.training, []
    model.eval()
    device = model.embedding.weight.device
    for first in range(0, len(items), PAIRS_AT_ONCE):
        part = items[first : first + PAIRS_AT_ONCE]
        batch = collate(part, [""] * len(part), tokenizer).to(device)
        answers = head_logits(model, batch) > 0  # (B)
        right += (answers == (batch.labels[:, 0] == 1)).tolist()
    model.train(was_training)
    return right


def texts(item: Item, tokenizer: Tokenizer) -> tuple[str, str, int]:
    """Description, code and label of an item, without the masked words."""
    border = item.source.index(tokenizer.end_id)
    return tokenizer.decode(item.source[:border]), tokenizer.decode(item.source[border:]), item.labels[0]


class BagOfWords:
    """Cosine of the two texts' words, each weighted by its rarity (tf-idf, words counted once), and a threshold."""

    def __init__(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Count the rarities and find the best threshold, from labelled pairs."""
        counts = Counter(word for pair in pairs for word in words(pair[0]) | words(pair[1]))
        self.rarity = {word: math.log(len(pairs) / count) for word, count in counts.items()}
        self.unseen = math.log(len(pairs) + 1)
        self.threshold = best_threshold([(self.cosine(nl, code), label) for nl, code, label in pairs])

    def cosine(self, nl: str, code: str) -> float:
        """The cosine of two texts: 0 where they share no word, 1 where they share all."""
        one, two = words(nl), words(code)
        norms = math.sqrt(self.weight(one) * self.weight(two))
        return self.weight(one & two) / norms if norms else 0.0

    def weight(self, found: set[str]) -> float:
        """The sum of the words' squared rarities."""
        return sum(self.rarity.get(word, self.unseen) ** 2 for word in found)

    def matches(self, nl: str, code: str) -> bool:
        """Whether the baseline says that description and code belong together."""
        return self.cosine(nl, code) >= self.threshold


def best_threshold(scored: Sequence[tuple[float, int]]) -> float:
    """The cosine from which on the answer 'match' is right most often; `scored`: (cosine, label)."""
    best, right = math.inf, sum(1 - label for _, label in scored)  # calling nothing a match
    most = right
    for score, tied in groupby(sorted(scored, reverse=True), key=lambda pair: pair[0]):  # no threshold parts equals
        right += sum(2 * label - 1 for _, label in tied)
        if right > most:
            best, most = score, right
    return best
