"""Masked language modelling on the encoder (Devlin et al. 2019, 3.1; chapter 2.1)."""

from __future__ import annotations

import numpy

from data.example import IGNORE, Example, Item
from data.tokenizer import Tokenizer


def masked_language_modelling(
    example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator, mask_rate: float = 0.15
) -> Item:
    """Hide `mask_rate` of the tokens, at least one, of the description, or of the code where there is none.

    Of the hidden tokens 80% become the mask, 10% a random piece, and 10% stay; `labels` holds all of them.
    """
    ids = tokenizer.encode(example.code if example.nl is None else example.nl)
    labels = [IGNORE] * len(ids)
    hidden = min(len(ids), max(1, round(len(ids) * mask_rate)))
    places = generator.choice(len(ids), hidden, replace=False).tolist() if ids else []
    chances = generator.random(hidden).tolist()
    pieces = generator.integers(tokenizer.first_piece_id, tokenizer.vocab_size, hidden).tolist()
    for place, chance, piece in zip(places, chances, pieces, strict=True):
        labels[place] = ids[place]
        if chance < 0.8:
            ids[place] = tokenizer.mask_id
        elif chance < 0.9:
            ids[place] = piece
    around = [IGNORE] * len(tokenizer.prefix), [IGNORE] * len(tokenizer.suffix)
    return Item(tokenizer.frame(ids), labels=[*around[0], *labels, *around[1]], kind="mlm")
