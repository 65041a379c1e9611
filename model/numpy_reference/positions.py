"""Six ways in which the order of tokens enters, and the gradients of those that learn (sources: model/positions.py).

Added to the embeddings:      sinusoidal (constant), learned (a table: it gets the gradient summed over the batch).
Added to attention scores:    T5's bucketed bias (a table: scatter-add over buckets), ALiBi (constant).
Rotating queries and keys:    rotary (a rotation R: y = R x, so dL/dx = R^T dL/dy, the rotation backwards).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.linear import Weights, embedding_backward


def angles(length: int, width: int) -> ndarray:
    """The angles pos / 10000^(2i/width) for i = 0 .. width/2 - 1: (T, width/2)."""
    return np.arange(length)[:, None] * 10000.0 ** -(np.arange(0, width, 2) / width)


def sinusoidal_positions(length: int, d_model: int, layout: str = "interleaved") -> ndarray:
    """Sinusoids: PE(pos, 2i) = sin(angle), PE(pos, 2i+1) = cos(angle), or in "halves" all sines first: (T, d_model)."""
    if layout == "halves":
        return np.concatenate((np.sin(angles(length, d_model)), np.cos(angles(length, d_model))), axis=1)
    table = np.empty((length, d_model))
    table[:, 0::2], table[:, 1::2] = np.sin(angles(length, d_model)), np.cos(angles(length, d_model))
    return table


def rotate(x: ndarray, rotary: tuple[ndarray, ndarray]) -> ndarray:
    """Rotate the pair (x_i, x_{i+d_k/2}) by its position's angle. x (B, h, T, d_k), rotary two of (T, d_k/2)."""
    cosine, sine = rotary
    first, second = np.split(x, 2, axis=-1)  # (B, h, T, d_k/2) both
    return np.concatenate((first * cosine - second * sine, second * cosine + first * sine), axis=-1)


def rotate_backward(d_y: ndarray, rotary: tuple[ndarray, ndarray]) -> ndarray:
    """Rotate the gradient by the opposite angle, because a rotation's transpose is its inverse."""
    cosine, sine = rotary
    return rotate(d_y, (cosine, -sine))


def t5_bucket(distance: ndarray, bidirectional: bool, n_buckets: int, max_distance: int) -> ndarray:
    """The bucket of key minus query position (Raffel et al. 2020, 2.1): exact when near, logarithmic when far."""
    bucket = np.zeros_like(distance)
    if bidirectional:
        n_buckets //= 2
        bucket = np.where(distance > 0, n_buckets, 0)
        distance = np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    exact = n_buckets // 2
    # float32, as every implementation has it: at the edge of a bucket float64 may decide otherwise.
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    far = exact + (ratio / np.float32(math.log(max_distance / exact)) * np.float32(n_buckets - exact)).astype(int)
    return bucket + np.where(distance < exact, distance, np.minimum(far, n_buckets - 1))


def alibi_bias(n_heads: int, length: int) -> ndarray:
    """ALiBi's bias, -slope |i - j| with slopes 2^(-8/h), 2^(-16/h), ..: (1, h, T, T)."""
    slopes = 2.0 ** (-8.0 * np.arange(1, n_heads + 1) / n_heads)  # (h)
    return (-slopes[:, None, None] * np.abs(distances(length)))[None]


def distances(length: int) -> ndarray:
    """The distances, key position minus query position: (T, T)."""
    positions = np.arange(length)
    return positions[None, :] - positions[:, None]


class Order(NamedTuple):
    """The positions as a stack's self-attention applies them; cross-attention has none."""

    rotary: tuple[ndarray, ndarray] | None = None  # cosine and sine, two of (T, d_k/2)
    bias: ndarray | None = None  # T5, ALiBi: (1, h, T, T)
    buckets: ndarray | None = None  # T5: which row of the table each bias came from, (T, T)


def position_embedding(length: int, weights: Weights, config: ModelConfig) -> ndarray | None:
    """The vectors that are added to the embeddings, (T, d_model), or None."""
    if config.positions == "learned":
        return weights["learned.weight"][config.position_offset : config.position_offset + length]
    if config.positions == "sinusoidal":
        return sinusoidal_positions(length, config.d_model, config.sinusoid_layout)
    return None


def make_order(length: int, weights: Weights, config: ModelConfig, bidirectional: bool) -> Order:
    """The bias of the scores or the rotation, in the encoder (bidirectional) or the decoder."""
    if config.positions == "rotary":
        return Order(rotary=(np.cos(angles(length, config.d_k)), np.sin(angles(length, config.d_k))))
    if config.positions == "alibi":
        return Order(bias=alibi_bias(config.n_heads, length))
    if config.positions == "t5_relative":
        buckets = t5_bucket(
            distances(length), bidirectional, config.relative_buckets, config.relative_max_distance
        )  # (T, T)
        return Order(bias=weights["relative.table.weight"][buckets].transpose(2, 0, 1)[None], buckets=buckets)
    return Order()


def order_backward(d_scores: list[ndarray], order: Order, config: ModelConfig) -> Weights:
    """The gradient of T5's table, which all layers share: d_scores, one (B, h, T, T) for each layer."""
    if order.buckets is None:
        return {}
    d_bias = sum(layer.sum(axis=0) for layer in d_scores)  # (h, T, T)
    return {"relative.table.weight": embedding_backward(
        d_bias.transpose(1, 2, 0), order.buckets, config.relative_buckets
    )}  # fmt: skip


def position_embedding_backward(d_x: ndarray, config: ModelConfig) -> Weights:
    """The gradient of learned positions, from that of the embedded input (B, T, d_model)."""
    if config.positions != "learned":
        return {}
    first = config.position_offset
    d_table = np.zeros((first + config.max_length, config.d_model), d_x.dtype)
    d_table[first : first + d_x.shape[1]] = d_x.sum(axis=0)
    return {"learned.weight": d_table}
