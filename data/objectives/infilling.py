"""BART's text infilling (Lewis et al. 2020, 2.2): each span becomes one mask, the decoder writes the whole text.

    text     a b c d e f g
    source   a <mask> d e f <mask> g </s>      a span of two tokens, and one of none
    target   a b c d e f g </s>

How many tokens are missing is for the network to find out.
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def text_infilling(
    example: Example,
    tokenizer: Tokenizer,
    generator: numpy.random.Generator,
    infilling_rate: float = 0.3,
    mean_span: float = 3.0,
) -> Item:
    """Hide `infilling_rate` of the tokens in spans whose lengths are Poisson's with mean `mean_span`, 0 among them."""
    ids = tokenizer.encode(text_of(example))
    source, done = [], 0
    for start, end in poisson_spans(len(ids), infilling_rate, mean_span, generator):
        source += [*ids[done:start], tokenizer.mask_id]
        done = end
    return Item(tokenizer.frame([*source, *ids[done:]]), tokenizer.frame(ids, target=True))


def poisson_spans(
    length: int, rate: float, mean_span: float, generator: numpy.random.Generator
) -> list[tuple[int, int]]:
    """Disjoint spans (start, end) of a sequence, in order, that cover `rate` of it; no two at one place.

    Poisson numbers of which only the sum is known are multinomial: so all are drawn at once, and none is cut at the end
    of the sequence. Numbers of tokens and of spans are rounded up or down at random; at least one token, one span.
    """
    if length == 0:
        return []
    covered = min(max(1, int(length * rate + generator.random())), length)
    kept = length - covered
    count = max(1, min(int(covered / mean_span + generator.random()), kept + 1))
    lengths = generator.multinomial(covered, [1 / count] * count).tolist()
    places = sorted(generator.permutation(kept + 1)[:count].tolist())  # kept tokens before each span
    spans, before = [], 0
    for place, size in zip(places, lengths, strict=True):
        spans.append((place + before, place + before + size))
        before += size
    return spans
