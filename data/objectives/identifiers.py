"""CodeT5's two objectives about identifiers (Wang et al. 2021, 3.2), whose code was never published.

    code      def add(a, b): return a + b

    masked identifier prediction
    source    def <extra_0>(<extra_1>, <extra_2>): return <extra_1> + <extra_2> </s>
    target    <extra_0> add <extra_1> a <extra_2> b </s>

    identifier tagging
    source    def add ( a , b ) : return a + b </s>
    labels    0   1   0 1 0 1 0 0 0      1 0 1

All occurrences of a name share one sentinel, so what has to be found out is what the thing does, not where else its
name stands (Roziere et al. 2021, DOBF, had the idea first). A described function is read with its description in front.
"""

from __future__ import annotations

import numpy

from data.code.identifiers import find_identifiers
from data.example import IGNORE, Example, Item
from data.tokenizers.tokenizer import Tokenizer


def masked_identifier_prediction(
    example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator
) -> Item | None:
    """Every name becomes a sentinel; the target lists the names in the order of their first occurrence.

    With more names than sentinels those that come last stay. None where there is no name: text, other languages.
    """
    if example.language != "python":
        return None
    names: dict[str, int] = {}  # name -> its sentinel
    source, target = description_ids(example, tokenizer), []
    for name, ids in marked_words(example.code, tokenizer):
        if name and name not in names and len(names) < len(tokenizer.sentinel_ids):
            names[name] = tokenizer.sentinel_ids[len(names)]
            target += [names[name], *ids]
        source += [names[name]] if name in names else ids
    if not names:
        return None
    return Item(tokenizer.frame(source), tokenizer.frame(target, target=True))


def identifier_tagging(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item | None:
    """`labels`: 1 for each piece of a name, 0 for the rest of the code, IGNORE for the description and special ids."""
    if example.language != "python":
        return None
    source = description_ids(example, tokenizer)
    labels = [IGNORE] * len(source)
    for name, ids in marked_words(example.code, tokenizer):
        source += ids
        labels += [int(bool(name))] * len(ids)
    around = [IGNORE] * len(tokenizer.prefix), [IGNORE] * len(tokenizer.suffix)
    return Item(tokenizer.frame(source), labels=[*around[0], *labels, *around[1]], kind="tag")


def description_ids(example: Example, tokenizer: Tokenizer) -> list[int]:
    """The description and a token that ends it, or nothing."""
    return [] if example.nl is None else [*tokenizer.encode(example.nl), tokenizer.end_id]


def marked_words(code: str, tokenizer: Tokenizer) -> list[tuple[str, list[int]]]:
    """The code's ids word by word, each with its name where it is an identifier, else with an empty string."""
    names = {(start, end): name for start, end, name in find_identifiers(code)}
    words = tokenizer.encode_words(code)
    return [(names.get((start, end), ""), ids) for start, end, ids in words]
