"""Exercise 18, attention backward: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def softmax_backward(d_weights: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """dL/dscores (..., T, S), given."""
    return weights * (d_weights - (d_weights * weights).sum(axis=-1, keepdims=True))


def attention_backward(
    d_output: np.ndarray, queries: np.ndarray, keys: np.ndarray, values: np.ndarray, may_attend: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of equation (4), softmax(Q K^T / sqrt(d_k)) V.

    d_output = dL/doutput and queries (B, h, T, d_k), keys and values (B, h, S, d_k); may_attend broadcasts to
    (B, h, T, S). Returns dL/dqueries, dL/dkeys and dL/dvalues.
    """
    scale = 1 / np.sqrt(queries.shape[-1])
    scores = np.where(may_attend, scale * queries @ keys.swapaxes(-2, -1), -np.inf)  # (B, h, T, S)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)  # (B, h, T, S)

    d_values = ...  # (B, h, S, d_k)
    d_weights = ...  # (B, h, T, S)
    d_scores = softmax_backward(d_weights, weights)  # (B, h, T, S)
    d_queries = ...  # (B, h, T, d_k)
    d_keys = ...  # (B, h, S, d_k)
    return d_queries, d_keys, d_values
