"""Exercise 19, the embedding backward: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def embedding_backward(d_x: np.ndarray, ids: np.ndarray, vocab_size: int, pad_id: int) -> np.ndarray:
    """dL/dE of x = sqrt(d_model) E[ids].

    d_x = dL/dx (B, T, d_model), ids (B, T). Returns (V, d_model); the row of pad_id is 0.
    """
    raise NotImplementedError
