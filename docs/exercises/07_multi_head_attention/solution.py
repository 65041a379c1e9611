"""Exercise 7, multi-head attention: the reference."""

import numpy as np


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
    """Equation (5): x (B, T, d_model) attends to y (B, S, d_model) -> (B, T, d_model)."""
    queries = split_heads(x @ weights["W_Q"].T + weights["b_Q"], n_heads)  # (B, h, T, d_k)
    keys = split_heads(y @ weights["W_K"].T + weights["b_K"], n_heads)  # (B, h, S, d_k)
    values = split_heads(y @ weights["W_V"].T + weights["b_V"], n_heads)  # (B, h, S, d_k)
    heads = attention(queries, keys, values, may_attend)  # (B, h, T, d_k)
    joined = heads.swapaxes(1, 2).reshape(x.shape)  # (B, T, d_model)
    return joined @ weights["W_O"].T + weights["b_O"]
