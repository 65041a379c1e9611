"""Bimodal dual generation (Wang et al. 2021, CodeT5, 3.2): description -> code and code -> description.

One network learns both directions; which is asked for shows in what stands in the source.
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.tokenizers.tokenizer import Tokenizer


def dual_generation(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item | None:
    """Description to code or code to description, each half of the time. None for unlabelled text."""
    if example.nl is None:
        return None
    forward = generator.random() < 0.5
    source, target = (example.nl, example.code) if forward else (example.code, example.nl)
    read, written = tokenizer.encode(source), tokenizer.encode_target(target)
    return Item(tokenizer.frame(read), tokenizer.frame(written, target=True))
