"""Exercise 9, the gated feed-forward layer: the reference."""

import numpy as np


def gated_feed_forward(x: np.ndarray, w_gate: np.ndarray, w_inner: np.ndarray, w_outer: np.ndarray) -> np.ndarray:
    """x (B, T, d_model), w_gate and w_inner (d_ff, d_model), w_outer (d_model, d_ff) -> (B, T, d_model)."""
    gate = x @ w_gate.T  # (B, T, d_ff)
    inner = x @ w_inner.T  # (B, T, d_ff)
    hidden = gate / (1 + np.exp(-gate)) * inner  # (B, T, d_ff)
    return hidden @ w_outer.T
