"""Exercise 6, splitting heads: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def split_heads(x: np.ndarray, n_heads: int) -> np.ndarray:
    """Give each head its own columns.

    x (B, T, d_model), in which columns 0 .. d_k - 1 belong to head 0, the next d_k to head 1, and so on;
    d_k = d_model / n_heads. Returns (B, h, T, d_k).
    """
    raise NotImplementedError
