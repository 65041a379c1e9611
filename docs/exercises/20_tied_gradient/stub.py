"""Exercise 20, one table with two uses: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def tied_gradient(d_logits: np.ndarray, states: np.ndarray, d_x: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """dL/dE where x = E[ids] and logits = states E^T.

    d_logits = dL/dlogits (B, T, V), states (B, T, d_model), d_x = dL/dx (B, T, d_model), ids (B, T). Returns
    (V, d_model).
    """
    raise NotImplementedError
