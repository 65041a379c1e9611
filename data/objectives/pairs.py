"""Description -> code: the objective of fine-tuning (chapter 2.2 and 4.1)."""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.tokenizers.tokenizer import Tokenizer


def pairs(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item:
    """The description is X and the code is Y of equation (6), each with its special ids; nothing is random.

    Raises ValueError for unlabelled text.
    """
    if example.nl is None:
        raise ValueError(f"example {example.id} has no description; pairs needs one")
    source, target = tokenizer.encode(example.nl), tokenizer.encode_target(example.code)
    return Item(tokenizer.frame(source), tokenizer.frame(target, target=True))
