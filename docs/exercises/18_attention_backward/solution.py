"""Exercise 18, attention backward: the reference."""

import numpy as np


def softmax_backward(d_weights: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """dL/dscores (..., T, S), given."""
    return weights * (d_weights - (d_weights * weights).sum(axis=-1, keepdims=True))


def attention_backward(
    d_output: np.ndarray, queries: np.ndarray, keys: np.ndarray, values: np.ndarray, may_attend: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dL/dqueries (B, h, T, d_k), dL/dkeys and dL/dvalues (B, h, S, d_k)."""
    scale = 1 / np.sqrt(queries.shape[-1])
    scores = np.where(may_attend, scale * queries @ keys.swapaxes(-2, -1), -np.inf)  # (B, h, T, S)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)  # (B, h, T, S)

    d_values = weights.swapaxes(-2, -1) @ d_output  # (B, h, S, d_k)
    d_weights = d_output @ values.swapaxes(-2, -1)  # (B, h, T, S)
    d_scores = softmax_backward(d_weights, weights)  # (B, h, T, S)
    d_queries = scale * d_scores @ keys  # (B, h, T, d_k)
    d_keys = scale * d_scores.swapaxes(-2, -1) @ queries  # (B, h, S, d_k)
    return d_queries, d_keys, d_values
