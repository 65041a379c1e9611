"""Restore a noised line: a denoising autoencoder (BART's text infilling and deletion; Lewis et al. 2020, 2.2).

Most of the line is intact, so what the decoder learns is to copy several pieces in a row and to notice what is wrong.
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives.span import random_spans
from data.tokenizers.tokenizer import Tokenizer


def denoise(
    example: Example,
    tokenizer: Tokenizer,
    generator: numpy.random.Generator,
    mask_rate: float = 0.15,
    mean_span: float = 3.0,
    insert_rate: float = 0.1,
) -> Item:
    """Add noise to the description or to the code, whichever is drawn; the target is the text without noise.

    Spans that cover `mask_rate` of the tokens are cut out, half of them leaving one mask; then random pieces are put
    in, `insert_rate` for each token that was there.
    """
    side = example.code if example.nl is None or generator.random() < 0.5 else example.nl
    ids = tokenizer.encode(side)
    noised, done = [], 0
    for start, end in random_spans(len(ids), mask_rate, mean_span, generator):
        noised += ids[done:start]
        if generator.random() < 0.5:
            noised.append(tokenizer.mask_id)
        done = end
    noised += ids[done:]
    inserted = int(generator.binomial(len(ids), insert_rate))
    places = sorted(generator.integers(0, len(noised) + 1, inserted).tolist(), reverse=True)
    pieces = generator.integers(tokenizer.first_piece_id, tokenizer.vocab_size, inserted).tolist()
    return Item(tokenizer.frame(with_pieces(noised, places, pieces)), tokenizer.frame(ids, target=True))


def with_pieces(ids: list[int], places: list[int], pieces: list[int]) -> list[int]:
    """The ids with a piece put in before each of the places, which come from the last to the first."""
    result, done = [], 0
    for place, piece in zip(reversed(places), reversed(pieces), strict=True):
        result += [*ids[done:place], piece]
        done = place
    return result + ids[done:]
