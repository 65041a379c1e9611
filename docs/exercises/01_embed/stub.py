"""Exercise 1, from ids to vectors: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def embed(ids: np.ndarray, table: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """sqrt(d_model) E[id_t] + P_t.

    ids (B, T) whole numbers, table E (V, d_model), positions P (at least T, d_model), whose row t belongs to the t-th
    place of a sentence. Returns (B, T, d_model).
    """
    length, d_model = ids.shape[1], table.shape[1]
    return ...  # (B, T, d_model)
