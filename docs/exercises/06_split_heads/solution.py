"""Exercise 6, splitting heads: the reference."""

import numpy as np


def split_heads(x: np.ndarray, n_heads: int) -> np.ndarray:
    """(B, T, d_model) -> (B, h, T, d_k)."""
    batch, length, d_model = x.shape
    cut = x.reshape(batch, length, n_heads, d_model // n_heads)  # (B, T, h, d_k)
    return cut.swapaxes(1, 2)
