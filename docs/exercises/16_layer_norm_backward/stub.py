"""Exercise 16, LayerNorm backward: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code
EPSILON = 1e-5


def layer_norm_backward(d_y: np.ndarray, x: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of y = gain * (x - mean) / sqrt(var + EPSILON) + bias, normalised over the last axis.

    d_y = dL/dy and x (B, T, d_model), gain (d_model). Returns dL/dx (B, T, d_model), dL/dgain (d_model) and dL/dbias
    (d_model).
    """
    sigma = np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)  # (B, T, 1)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / sigma  # (B, T, d_model)
    raise NotImplementedError
