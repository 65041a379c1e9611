"""Exercise 16, LayerNorm backward: the reference."""

import numpy as np

EPSILON = 1e-5


def layer_norm_backward(d_y: np.ndarray, x: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dL/dx (B, T, d_model), dL/dgain and dL/dbias (d_model)."""
    sigma = np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)  # (B, T, 1)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / sigma  # (B, T, d_model)
    g = gain * d_y  # (B, T, d_model), dL/dx_hat
    direct = g
    through_mean = -g.mean(axis=-1, keepdims=True)  # (B, T, 1)
    through_variance = -x_hat * (g * x_hat).mean(axis=-1, keepdims=True)  # (B, T, d_model)
    d_x = (direct + through_mean + through_variance) / sigma  # (B, T, d_model)
    return d_x, (d_y * x_hat).sum(axis=(0, 1)), d_y.sum(axis=(0, 1))
