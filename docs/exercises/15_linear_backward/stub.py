"""Exercise 15, the linear map backward: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def linear_backward(d_y: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of y = x W^T + b.

    d_y = dL/dy (B, T, d_out), x (B, T, d_in), weight W (d_out, d_in). Returns dL/dx (B, T, d_in), dL/dW (d_out, d_in)
    and dL/db (d_out).
    """
    d_rows = d_y.reshape(-1, d_y.shape[-1])  # (B*T, d_out), one row for each token
    x_rows = x.reshape(-1, x.shape[-1])  # (B*T, d_in)
    d_x = ...  # (B, T, d_in)
    d_weight = ...  # (d_out, d_in)
    return d_x, d_weight, d_rows.sum(axis=0)
