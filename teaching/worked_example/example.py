"""The example itself: the sentence, the network's sizes, and every weight as a fraction."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from model.config import ModelConfig, preset
from model.numpy_reference.linear import Weights
from model.numpy_reference.transformer import Batch

VOCABULARY = ("<pad>", "<end>", "<start>", "show", "x", ".", "print(x)")
PAD, END, START = 0, 1, 2
SOURCE, TARGET = (3, 4, 5), (6, 1)  # "show x ." and "print(x) <end>"
DECODER_INPUT = (START, *TARGET[:-1])  # the target shifted right by the start token


def config() -> ModelConfig:
    """Vaswani et al. 2017 in small: post-norm, sinusoids, ReLU, tied embeddings; without biases and dropout."""
    return preset(
        "vaswani2017", vocab_size=len(VOCABULARY), d_model=4, n_heads=2, d_ff=6, n_encoder_layers=1,
        n_decoder_layers=1, max_length=8, biases=False, dropout=0.0,
    )


def batch() -> Batch:
    """The batch of one pair, nothing padded."""
    ids = [np.array([row]) for row in (SOURCE, DECODER_INPUT, TARGET)]
    return Batch(ids[0], ids[0] > PAD, ids[1], ids[2], ids[2] > PAD)


def fractions() -> dict[str, list[list[Fraction]]]:
    """Every weight by its name in the network, as rows; a gain is one row."""
    found: dict[str, list[list[Fraction]]] = {}
    rows: list[list[Fraction]] = []
    for line in WEIGHTS.strip().splitlines():
        if line.startswith(" "):
            rows.append([Fraction(word) for word in line.split()])
        else:
            rows = found[line] = []
    return found


def weights() -> Weights:
    """Every weight in float64 by its name; matrices as (d_out, d_in), gains as vectors."""
    arrays = {name: np.array([[float(x) for x in row] for row in rows]) for name, rows in fractions().items()}
    return {name: array[0] if name.endswith("gain") else array for name, array in arrays.items()}


WEIGHTS = """
embedding.weight
       0    0    0    0
      -1    0   -1  1/2
    -1/2  1/2  1/2 -1/2
     1/2  1/2  1/2 -1/2
      -1    0 -1/2   -1
       1  1/2  1/2   -1
     1/2    1  1/2    0
encoder.0.self_attention.query.weight
    -1/2    1   -1 -1/2
    -1/2  1/2    0    0
    -1/2 -1/2    0   -1
    -1/2  1/2    0 -1/2
encoder.0.self_attention.key.weight
       0   -1    1 -1/2
      -1  1/2 -1/2  1/2
    -1/2 -1/2    0  1/2
     1/2    0   -1  1/2
encoder.0.self_attention.value.weight
     1/2   -1    1    0
      -1 -1/2    0    0
    -1/2    0 -1/2 -1/2
       0    0  1/2  1/2
encoder.0.self_attention.output.weight
       0    1    1 -1/2
       0   -1   -1    1
       1    0 -1/2  1/2
      -1    0   -1    1
encoder.0.feed_forward.inner.weight
      -1  1/2    1    0
    -1/2   -1 -1/2    0
       0 -1/2    0   -1
    -1/2 -1/2   -1    0
       0  1/2  1/2    1
     1/2  1/2    0   -1
encoder.0.feed_forward.outer.weight
    -1/2    0  1/2 -1/2    0  1/2
     1/2   -1  1/2   -1    1    1
       0   -1  1/2    0    0   -1
       0    1    0  1/2 -1/2 -1/2
encoder.0.self_attention_residual.norm.gain
       2    1    2    1
encoder.0.feed_forward_residual.norm.gain
     1/2    1    1    1
decoder.0.self_attention.query.weight
    -1/2  1/2   -1    1
       0 -1/2 -1/2    1
       0    0  1/2  1/2
       0    0    0 -1/2
decoder.0.self_attention.key.weight
       1    0  1/2 -1/2
       0    0    0 -1/2
       0  1/2  1/2   -1
       1    1    1  1/2
decoder.0.self_attention.value.weight
       0 -1/2 -1/2    1
       0  1/2 -1/2   -1
      -1  1/2    0    0
       0  1/2  1/2  1/2
decoder.0.self_attention.output.weight
     1/2   -1    0  1/2
     1/2 -1/2    0    0
       0    1   -1  1/2
      -1    0    0    0
decoder.0.cross_attention.query.weight
       0   -1    0    1
    -1/2 -1/2 -1/2   -1
     1/2   -1 -1/2    0
    -1/2   -1  1/2   -1
decoder.0.cross_attention.key.weight
    -1/2   -1    0 -1/2
       1    1  1/2   -1
       0  1/2    0   -1
    -1/2  1/2 -1/2    0
decoder.0.cross_attention.value.weight
       0    0 -1/2    0
      -1    1    1 -1/2
    -1/2    0  1/2   -1
     1/2 -1/2    0 -1/2
decoder.0.cross_attention.output.weight
       1   -1    0 -1/2
      -1    0    1   -1
       1  1/2 -1/2 -1/2
    -1/2    0   -1   -1
decoder.0.feed_forward.inner.weight
    -1/2    0  1/2  1/2
      -1   -1    0  1/2
     1/2   -1    1  1/2
      -1    0    0   -1
       1 -1/2    1 -1/2
      -1    0    0    1
decoder.0.feed_forward.outer.weight
       1    1 -1/2    1    0 -1/2
       1 -1/2    1 -1/2    1    0
      -1    1    0    0   -1  1/2
      -1    1    0   -1   -1  1/2
decoder.0.self_attention_residual.norm.gain
       1    1    1    1
decoder.0.cross_attention_residual.norm.gain
       1  1/2    1  1/2
decoder.0.feed_forward_residual.norm.gain
       1    2    1  1/2
"""
