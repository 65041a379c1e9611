"""Masked language modelling on the encoder (Devlin et al. 2019, 3.1; chapter 2.1)."""

from __future__ import annotations

import numpy

from data.example import IGNORE, Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def masked_language_modelling(
    example: Example,
    tokenizer: Tokenizer,
    generator: numpy.random.Generator,
    mask_rate: float = 0.15,
    whole_words: bool = False,
) -> Item:
    """Hide `mask_rate` of the tokens, at least one, of the description, or of the code where there is none.

    Of the hidden tokens 80% become the mask, 10% a random piece, and 10% stay; `labels` holds all of them. With
    `whole_words` all pieces of a word are hidden or none (Google's BERT release of May 2019; Cui et al. 2019).
    """
    text = text_of(example)
    ids = tokenizer.encode(text)
    labels = [IGNORE] * len(ids)
    hidden = min(len(ids), max(1, round(len(ids) * mask_rate)))
    if whole_words:
        places = places_of_words([len(pieces) for *_, pieces in tokenizer.encode_words(text)], hidden, generator)
    else:
        places = generator.permutation(len(ids))[:hidden].tolist()  # faster than `choice` without replacement
    chances = generator.random(len(places)).tolist()
    pieces = generator.integers(tokenizer.first_piece_id, tokenizer.vocab_size, len(places)).tolist()
    for place, chance, piece in zip(places, chances, pieces, strict=True):
        labels[place] = ids[place]
        if chance < 0.8:
            ids[place] = tokenizer.mask_id
        elif chance < 0.9:
            ids[place] = piece
    around = [IGNORE] * len(tokenizer.prefix), [IGNORE] * len(tokenizer.suffix)
    return Item(tokenizer.frame(ids), labels=[*around[0], *labels, *around[1]], kind="mlm")


def places_of_words(lengths: list[int], hidden: int, generator: numpy.random.Generator) -> list[int]:
    """Places of the tokens of random words, `hidden` of them or, as words are whole, nearly so; at least one word.

    The last word is taken where it comes nearer to the number than its absence; words come in a random order.
    """
    starts = [0, *numpy.cumsum(lengths).tolist()]
    places: list[int] = []
    for word in generator.permutation(len(lengths)).tolist():
        missing = hidden - len(places)
        if missing <= 0:
            break
        if not places or 2 * missing >= lengths[word]:
            places += range(starts[word], starts[word + 1])
    return places
