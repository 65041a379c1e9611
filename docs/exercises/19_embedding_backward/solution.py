"""Exercise 19, the embedding backward: the reference."""

import numpy as np


def embedding_backward(d_x: np.ndarray, ids: np.ndarray, vocab_size: int, pad_id: int) -> np.ndarray:
    """d_x (B, T, d_model), ids (B, T) -> dL/dE (V, d_model)."""
    d_model = d_x.shape[-1]
    d_table = np.zeros((vocab_size, d_model))
    np.add.at(d_table, ids, np.sqrt(d_model) * d_x)
    d_table[pad_id] = 0
    return d_table
