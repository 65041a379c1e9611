"""Exercise 2, sinusoidal positions: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def sinusoids(length: int, d_model: int) -> np.ndarray:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos of the same angle; pos from 0.

    d_model is even. Returns (length, d_model).
    """
    positions = np.arange(length)[:, None]  # (T, 1)
    angles = ...  # (T, d_model/2), one for each pair of columns
    return ...  # (T, d_model), sine and cosine in turn
