"""T5's span corruption (Raffel et al. 2020, 3.1.4 and figure 2): cut spans out, let the decoder write them.

    text     a b c d e f g
    source   a <extra_0> d e <extra_1> g </s>
    target   <extra_0> b c <extra_1> f <extra_2> </s>

As in the paper's figure, one more sentinel closes the target, and then the end token.
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def span_corruption(
    example: Example,
    tokenizer: Tokenizer,
    generator: numpy.random.Generator,
    mask_rate: float = 0.15,
    mean_span: float = 3.0,
) -> Item:
    """Corrupt the text of an example: its description, or its code where it has none.

    Of `mask_rate` of the tokens, in spans of `mean_span` on average, each span becomes one sentinel in the source and
    follows that sentinel in the target. There is one sentinel fewer than spans can be: longer texts get longer spans.
    """
    ids = tokenizer.encode(text_of(example))
    spans = random_spans(len(ids), mask_rate, mean_span, generator, most=len(tokenizer.sentinel_ids) - 1)
    source, target, done = [], [], 0
    for sentinel, (start, end) in zip(tokenizer.sentinel_ids, spans, strict=False):
        source += [*ids[done:start], sentinel]
        target += [sentinel, *ids[start:end]]
        done = end
    source += ids[done:]
    target.append(tokenizer.sentinel_ids[len(spans)])
    return Item(tokenizer.frame(source), tokenizer.frame(target, target=True))


def random_spans(
    length: int, rate: float, mean_span: float, generator: numpy.random.Generator, most: int | None = None
) -> list[tuple[int, int]]:
    """Disjoint spans (start, end) of a sequence, in order, with at least one token between two of them.

    They cover `rate` of the tokens and are `mean_span` long on average over many calls: both numbers are rounded up
    or down at random, so short sequences are not biased. At least one token is covered; at most `most` spans.
    """
    if length == 0:
        return []
    covered = min(max(1, int(length * rate + generator.random())), length)
    kept = length - covered
    count = int(covered / mean_span + generator.random())
    count = max(1, min(count, covered, kept + 1, most or length))
    # A span stands before one of the kept tokens or at the end, and no two at the same place.
    # `permutation` and a cut are faster than `choice` without replacement.
    places = sorted(generator.permutation(kept + 1)[:count].tolist())  # count numbers
    cuts = sorted(generator.permutation(covered - 1)[: count - 1].tolist()) if count > 1 else []
    edges = [0, *(cut + 1 for cut in cuts), covered]  # count + 1 edges of the spans among the covered tokens
    return [(place + start, place + end) for place, start, end in zip(places, edges, edges[1:])]
