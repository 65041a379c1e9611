"""Exercise 3, two masks in one: the reference."""

import numpy as np


def self_attention_mask(lengths: np.ndarray, max_length: int) -> np.ndarray:
    """lengths (B) -> (B, T, T), True where a query may attend to a key."""
    positions = np.arange(max_length)  # (T)
    is_real = positions < lengths[:, None]  # (B, T)
    not_after = positions[None, :] <= positions[:, None]  # (T, T), the lower triangle
    return is_real[:, None, :] & not_after  # (B, 1, T) and (T, T) -> (B, T, T)
