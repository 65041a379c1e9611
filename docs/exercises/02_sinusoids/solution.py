"""Exercise 2, sinusoidal positions: the reference."""

import numpy as np


def sinusoids(length: int, d_model: int) -> np.ndarray:
    """(length, d_model), sine and cosine in turn."""
    positions = np.arange(length)[:, None]  # (T, 1)
    angles = positions * 10000.0 ** (-np.arange(0, d_model, 2) / d_model)  # (T, d_model/2)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, d_model)  # (T, d_model/2, 2) before
