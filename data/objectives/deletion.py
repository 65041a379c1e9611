"""BART's token deletion (Lewis et al. 2020, 2.2): tokens are gone without a mark, the decoder writes the whole text."""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def token_deletion(
    example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator, mask_rate: float = 0.15
) -> Item:
    """Delete `mask_rate` of the tokens, rounded up or down at random, at least one."""
    ids = tokenizer.encode(text_of(example))
    deleted = min(len(ids), max(1, int(len(ids) * mask_rate + generator.random())))
    gone = set(generator.choice(len(ids), deleted, replace=False).tolist()) if ids else set()
    source = [token for place, token in enumerate(ids) if place not in gone]
    return Item(tokenizer.frame(source), tokenizer.frame(ids, target=True))
