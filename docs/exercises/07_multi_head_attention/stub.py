"""Exercise 7, multi-head attention: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def split_heads(x: np.ndarray, n_heads: int) -> np.ndarray:
    """(B, T, d_model) -> (B, h, T, d_k), given."""
    batch, length, d_model = x.shape
    return x.reshape(batch, length, n_heads, d_model // n_heads).swapaxes(1, 2)


def attention(queries: np.ndarray, keys: np.ndarray, values: np.ndarray, may_attend: np.ndarray) -> np.ndarray:
    """Equation (4), given: queries (B, h, T, d_k), keys and values (B, h, S, d_k) -> (B, h, T, d_k)."""
    scores = queries @ keys.swapaxes(-2, -1) / np.sqrt(queries.shape[-1])  # (B, h, T, S)
    scores = np.where(may_attend, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ values


def multi_head_attention(
    x: np.ndarray, y: np.ndarray, weights: dict[str, np.ndarray], n_heads: int, may_attend: np.ndarray
) -> np.ndarray:
    """Equation (5): x attends to y.

    x (B, T, d_model), y (B, S, d_model). weights holds W_Q, W_K, W_V, W_O, (d_model, d_model) as (d_out, d_in), and
    b_Q, b_K, b_V, b_O, (d_model). may_attend broadcasts to (B, h, T, S). Returns (B, T, d_model).
    """
    raise NotImplementedError
