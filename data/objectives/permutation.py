"""Permutation language modelling (Yang et al. 2019, XLNet, 2.2 and 2.3; the third family of chapter 2.1).

A text is written in a random order z: log P(x) = sum over t of log P(x_{z_t} | x_{z_1}, .., x_{z_{t-1}}). Only the last
tokens of the order are predicted (XLNet's K of 6 or 7), for the first have too little to go by.

    text     a b c d e f </s>
    ranks    0 0 2 0 1 0 0         e is predicted from a b d f </s>, then c from those and e

`model/two_streams.py` is how a decoder writes in such an order.
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def permutation_language_modelling(
    example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator, mask_rate: float = 0.15
) -> Item:
    """An empty source; `labels` are the ranks of the target's tokens in the order, 0 for those that are given.

    Of all tokens, the end token too, `mask_rate` are predicted, rounded up or down at random, at least one.
    """
    target = tokenizer.frame(tokenizer.encode(text_of(example)), target=True)
    predicted = min(len(target), max(1, int(len(target) * mask_rate + generator.random())))
    ranks = [0] * len(target)
    for rank, place in enumerate(generator.choice(len(target), predicted, replace=False).tolist(), start=1):
        ranks[place] = rank
    return Item(tokenizer.frame([]), target, labels=ranks, kind="permutation")
