"""Plain language modelling through the decoder: from nothing (GPT), or from the first part of the text.

    text             a b c d e
    causal           source </s>            target a b c d e </s>
    prefix           source a b </s>        target c d e </s>

Radford et al. 2018; prefix: Liu et al. 2018 and Raffel et al. 2020, 3.2.1 (there one stack of layers reads and writes).
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer


def causal_language_modelling(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item:
    """An empty source -> the whole text; nothing is random."""
    return Item(tokenizer.frame([]), tokenizer.frame(tokenizer.encode(text_of(example)), target=True))


def prefix_language_modelling(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item:
    """The text's first tokens -> the rest; every place is as likely to be the border, and the rest is never empty."""
    ids = tokenizer.encode(text_of(example))
    border = int(generator.integers(len(ids))) if ids else 0
    return Item(tokenizer.frame(ids[:border]), tokenizer.frame(ids[border:], target=True))
