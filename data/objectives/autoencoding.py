"""Target autoencoding (Norouzi et al. 2021, section 3): code in, the same code out, during fine-tuning.

Code without a description is plentiful. Read and written again, it makes the decoder a better model of code; the
encoder is held still meanwhile (`training/batch_loss.py` lets no gradient reach it), or it would learn to hand code on.
"""

from __future__ import annotations

import numpy

from data.example import Example, Item
from data.tokenizers.tokenizer import Tokenizer


def target_autoencoding(example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator) -> Item:
    """The code is the source and the target; nothing is random."""
    source, target = tokenizer.encode(example.code), tokenizer.encode_target(example.code)
    return Item(tokenizer.frame(source), tokenizer.frame(target, target=True), kind="autoencoding")
