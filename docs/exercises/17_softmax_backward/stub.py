"""Exercise 17, softmax backward: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def softmax_backward(d_weights: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """dL/dscores for weights = softmax(scores) over the last axis.

    d_weights = dL/dweights and weights have the same shape (..., T, S). Returns (..., T, S).
    """
    raise NotImplementedError
