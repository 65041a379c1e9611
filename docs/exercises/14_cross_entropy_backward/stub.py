"""Exercise 14, cross-entropy backward: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def cross_entropy_backward(logits: np.ndarray, target: np.ndarray, is_real: np.ndarray, epsilon: float) -> np.ndarray:
    """dL/dlogits for the mean over real tokens, with label smoothing.

    logits (B, T, V); target (B, T) of ids; is_real (B, T), True at tokens that count. Returns (B, T, V).
    """
    raise NotImplementedError
