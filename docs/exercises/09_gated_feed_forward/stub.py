"""Exercise 9, the gated feed-forward layer: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def gated_feed_forward(x: np.ndarray, w_gate: np.ndarray, w_inner: np.ndarray, w_outer: np.ndarray) -> np.ndarray:
    """W_2 (SiLU(W_g x) * W_1 x), SiLU(u) = u / (1 + exp(-u)).

    x (B, T, d_model), w_gate and w_inner (d_ff, d_model), w_outer (d_model, d_ff). Returns (B, T, d_model).
    """
    gate = x @ w_gate.T  # (B, T, d_ff)
    inner = x @ w_inner.T  # (B, T, d_ff)
    hidden = ...  # (B, T, d_ff)
    return hidden @ w_outer.T
