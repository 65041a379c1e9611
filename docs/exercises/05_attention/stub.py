"""Exercise 5, scaled dot-product attention: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis, given."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def attention(queries: np.ndarray, keys: np.ndarray, values: np.ndarray, may_attend: np.ndarray) -> np.ndarray:
    """Equation (4): softmax(Q K^T / sqrt(d_k)) V.

    queries (B, h, T, d_k), keys and values (B, h, S, d_k), may_attend boolean, broadcasts to (B, h, T, S), True where
    a query may attend to a key. Returns (B, h, T, d_k).
    """
    scores = ...  # (B, h, T, S), each query with each key, scaled
    masked = ...  # (B, h, T, S), where a query may not attend the score can win nothing
    weights = ...  # (B, h, T, S)
    return weights @ values
