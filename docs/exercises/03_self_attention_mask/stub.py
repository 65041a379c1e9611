"""Exercise 3, two masks in one: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def self_attention_mask(lengths: np.ndarray, max_length: int) -> np.ndarray:
    """Who may attend to whom in the decoder's self-attention.

    lengths (B) holds the number of real tokens of each sentence; they stand first, padding behind them, `max_length` T
    tokens in all. Returns a boolean array (B, T, T), True where query i (second axis) may attend to key j (last axis):
    key j is a real token, and it does not stand after query i.
    """
    raise NotImplementedError
