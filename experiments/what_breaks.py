"""What breaks when a piece of the Transformer is left out, shown without training: the tables of docs/the_math.md.

    python -m experiments.what_breaks                every table
    python -m experiments.what_breaks "no scale"     one table
    python -m experiments.what_breaks --write        put them into docs/the_math.md

    no scale        equation (4) without 1/sqrt(d_k): scores, entropy and gradient against d_k
    no mask         the worked example: a later token changes an earlier output
    no positions    the worked example: two word orders, one output
    no residual     the gradient's norm in each layer of a deep random encoder, with and without each piece
    no warm-up      what one step of Adam at the full rate does to a post-norm and to a pre-norm network
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from data.example import DataError
from data.options import parse
from experiments.number_blocks import Matrix, block, write_page
from experiments.worked_example.example import DECODER_INPUT, batch, config, weights
from model.attention import MultiHeadAttention
from model.config import ModelConfig, preset
from model.layers import EncoderLayer
from model.numpy_reference import transformer as reference
from model.numpy_reference.softmax import softmax, softmax_backward
from model.transformer import Transformer

LAYERS, WIDTH = 12, 64
KEYS, DRAWS = 16, 2000  # keys that a query chooses from, random queries


def no_scale() -> Matrix:
    """Scores of random queries and keys with independent entries of variance 1, before and after the division."""
    draw, rows, widths = np.random.default_rng(1), [], (4, 16, 64, 256, 1024)
    for d_k in widths:
        queries, keys = draw.normal(size=(DRAWS, 1, d_k)), draw.normal(size=(DRAWS, KEYS, d_k))
        scores = (queries @ keys.swapaxes(1, 2))[:, 0]  # (draws, keys)
        d_weights = draw.normal(size=scores.shape)
        row = []
        for divided in (scores, scores / np.sqrt(d_k)):
            probs = softmax(divided)
            entropy = -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1).mean()
            slope = np.sqrt((softmax_backward(d_weights, probs) ** 2).sum(axis=-1)).mean()
            row += [divided.std(), entropy, slope]
        rows.append(row)
    return Matrix(np.array(rows), tuple(f"d_k = {d_k}" for d_k in widths), "std entropy |dL/dS|, without and with 1/sqrt(d_k)")


def no_mask() -> Matrix:
    """Row 1 of H_dec of the worked example, which predicts `print(x)`, when the second input becomes `show`."""
    given, pair = weights(), batch()
    changed = pair._replace(decoder_input=np.array([[DECODER_INPUT[0], 3]]))
    rows, all_true = [], lambda length: np.ones((length, length), dtype=bool)
    for mask in (reference.causal_mask, all_true):
        kept, reference.causal_mask = reference.causal_mask, mask
        try:
            rows += [reference.forward(ids, given, config())[1]["decoder"]["states"][0, 0] for ids in (pair, changed)]
        finally:
            reference.causal_mask = kept
    labels = ("masked, then print(x)", "masked, then show", "no mask, then print(x)", "no mask, then show")
    return Matrix(np.array(rows), labels, "H_dec at <start>")


def no_positions() -> Matrix:
    """P(y_1 | X) of the worked example for two orders of the source, with sinusoids and without positions."""
    given, pair = weights(), batch()
    turned = pair._replace(source=pair.source[:, [1, 0, 2]])
    rows = []
    for positions in ("sinusoidal", "none"):
        network = preset("vaswani2017", **{**vars(config()), "positions": positions})
        rows += [softmax(reference.forward(ids, given, network)[0])[0, 0] for ids in (pair, turned)]
    labels = ("sinusoids, show x .", "sinusoids, x show .", "no positions, show x .", "no positions, x show .")
    return Matrix(np.array(rows), labels, "P of <pad> <end> <start> show x . print(x)")


class WithoutResidual(nn.Module):
    """A sublayer whose input is not added to its output."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Norm(Sublayer(x))."""
        return self.norm(sublayer(x))
