"""Attention, equations (4) and (5) of chapter 4.1, forward and backward.

    A = softmax(scale Q K^T + bias), masked       Attention(Q, K, V) = A V                           (4)
    head_i = Attention(x W_i^Q, y W_i^K, y W_i^V)       MultiHead = Concat(head_1, .., head_h) W^O   (5)

scale = 1/sqrt(d_k). x asks and y answers: in self-attention y = x, in cross-attention y is the encoder's memory.
The backward of (4), with G = dL/d(A V) and S the scores before softmax:

    dL/dV = A^T G       dL/dA = G V^T       dL/dS = A * (dL/dA - rowsum(dL/dA * A))
    dL/dQ = scale dL/dS K       dL/dK = scale (dL/dS)^T Q       dL/dbias = dL/dS
"""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.linear import Saved, Weights, linear, linear_backward, part, under
from model.numpy_reference.positions import Order, rotate, rotate_backward
from model.numpy_reference.softmax import softmax, softmax_backward


def attention(
    queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray, bias: ndarray | None, scale: float
) -> tuple[ndarray, Saved]:
    """Compute equation (4): queries (B, h, T, d_k), keys and values (B, h, S, d_k) -> (B, h, T, d_k).

    `may_attend` and `bias` broadcast to (B, h, T, S). A query that may attend to nothing gives zeros.
    """
    scores = scale * queries @ keys.swapaxes(-2, -1)  # (B, h, T, S)
    if bias is not None:
        scores = scores + bias
    masked = np.where(may_attend, scores, np.finfo(scores.dtype).min)  # (B, h, T, S)
    weights = np.where(may_attend, softmax(masked), 0.0).astype(scores.dtype, copy=False)  # (B, h, T, S)
    saved = {"queries": queries, "keys": keys, "values": values, "scores": scores, "weights": weights}
    return weights @ values, saved


def attention_backward(d_output: ndarray, saved: Saved, scale: float) -> Saved:
    """The gradients of queries, keys, values, weights and scores by name; the scores' is the bias's for each example.

    d_output (B, h, T, d_k) stands for dL/d(A V).
    """
    queries, keys, values, weights = (saved[name] for name in ("queries", "keys", "values", "weights"))
    d_values = weights.swapaxes(-2, -1) @ d_output  # (B, h, S, d_k)
    d_weights = d_output @ values.swapaxes(-2, -1)  # (B, h, T, S)
    d_scores = softmax_backward(d_weights, weights)  # (B, h, T, S), 0 where the weight is 0: at every masked place
    d_queries = scale * d_scores @ keys  # (B, h, T, d_k)
    d_keys = scale * d_scores.swapaxes(-2, -1) @ queries  # (B, h, S, d_k)
    return {"queries": d_queries, "keys": d_keys, "values": d_values, "scores": d_scores, "weights": d_weights}


def causal_mask(length: int) -> ndarray:
    """The mask in which a query sees the keys up to its own position: the lower triangle of (T, T)."""
    return np.tril(np.ones((length, length), dtype=bool))


def split(x: ndarray, n_heads: int) -> ndarray:
    """Split into heads, (B, T, h d_k) -> (B, h, T, d_k): the first d_k columns are head 1's, the next d_k head 2's."""
    batch, length, width = x.shape
    return x.reshape(batch, length, n_heads, width // n_heads).swapaxes(1, 2)


def join(heads: ndarray) -> ndarray:
    """Concat(head_1, .., head_h), the opposite of `split` and its backward: (B, h, T, d_k) -> (B, T, h d_k)."""
    batch, n_heads, length, d_k = heads.shape
    return heads.swapaxes(1, 2).reshape(batch, length, n_heads * d_k)


def scale_of(config: ModelConfig) -> float:
    """The factor 1/sqrt(d_k) of equation (4), or 1 where T5 leaves it to the initialisation of W^Q."""
    return 1 / math.sqrt(config.d_k) if config.scale_attention else 1.0


def multi_head_attention(
    x: ndarray, y: ndarray, weights: Weights, may_attend: ndarray, order: Order, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """Compute equation (5): x (B, T, d_model) attends to y (B, S, d_model) -> (B, T, d_model)."""
    queries = split(linear(x, part(weights, "query")), config.n_heads)  # (B, h, T, d_k)
    keys = split(linear(y, part(weights, "key")), config.n_heads)  # (B, h, S, d_k)
    values = split(linear(y, part(weights, "value")), config.n_heads)  # (B, h, S, d_k)
    if order.rotary is not None:
        queries, keys = rotate(queries, order.rotary), rotate(keys, order.rotary)
    heads, saved = attention(queries, keys, values, may_attend, order.bias, scale_of(config))  # (B, h, T, d_k)
    saved |= {"x": x, "y": y, "heads": heads, "rotary": order.rotary}
    return linear(join(heads), part(weights, "output")), saved


def multi_head_attention_backward(
    d_output: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, ndarray, Weights, Saved]:
    """dL/dx (B, T, d_model), dL/dy (B, S, d_model), the gradients and d_saved.

    In self-attention x is y: add the first two.
    """
    d_joined, d_w_output = linear_backward(d_output, join(saved["heads"]), part(weights, "output"))
    d_heads = split(d_joined, config.n_heads)  # (B, h, T, d_k)
    d_saved = {"heads": d_heads} | attention_backward(d_heads, saved, scale_of(config))

    d_queries, d_keys, d_values = (d_saved[name] for name in ("queries", "keys", "values"))
    if saved["rotary"] is not None:
        d_queries, d_keys = rotate_backward(d_queries, saved["rotary"]), rotate_backward(d_keys, saved["rotary"])

    d_x, d_w_query = linear_backward(join(d_queries), saved["x"], part(weights, "query"))
    d_y_as_keys, d_w_key = linear_backward(join(d_keys), saved["y"], part(weights, "key"))
    d_y_as_values, d_w_value = linear_backward(join(d_values), saved["y"], part(weights, "value"))
    gradients = {
        **under("query", d_w_query), **under("key", d_w_key), **under("value", d_w_value),
        **under("output", d_w_output),
    }  # fmt: skip
    return d_x, d_y_as_keys + d_y_as_values, gradients, d_saved
