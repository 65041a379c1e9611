"""Exercise 15, the linear map backward: the reference."""

import numpy as np


def linear_backward(d_y: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dL/dx (B, T, d_in), dL/dW (d_out, d_in), dL/db (d_out)."""
    d_rows = d_y.reshape(-1, d_y.shape[-1])  # (B*T, d_out), one row for each token
    x_rows = x.reshape(-1, x.shape[-1])  # (B*T, d_in)
    d_x = d_y @ weight  # (B, T, d_in)
    d_weight = d_rows.T @ x_rows  # (d_out, d_in)
    return d_x, d_weight, d_rows.sum(axis=0)
