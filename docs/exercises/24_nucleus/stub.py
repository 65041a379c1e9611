"""Exercise 24, temperature and nucleus: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def nucleus(states: np.ndarray, w_output: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """Equation (3) with a temperature, cut to its nucleus and normalised again.

    states h (B, d_model), w_output W_o (V, d_model), temperature above 0, top_p above 0 and at most 1. Returns the
    probabilities (B, V) to sample from.
    """
    raise NotImplementedError
