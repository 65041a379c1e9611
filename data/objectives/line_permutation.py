"""BART's sentence permutation (Lewis et al. 2020, 2.2), of lines, which are to code what sentences are to text."""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def line_permutation(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item | None:
    """The lines in a random order -> the lines in their own order. None for a single line."""
    text = text_of(example)
    lines = text.split("\n")
    if len(lines) < 2:
        return None
    mixed = "\n".join(lines[index] for index in generator.permutation(len(lines)))
    return Item(tokenizer.frame(tokenizer.encode(mixed)), tokenizer.frame(tokenizer.encode(text), target=True))
