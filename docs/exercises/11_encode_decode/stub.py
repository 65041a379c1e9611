"""Exercise 11, encoder and decoder: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def encode_decode(
    source: np.ndarray, source_mask: np.ndarray, target: np.ndarray, encoder: object, decoder: object
) -> tuple[np.ndarray, np.ndarray]:
    """Equations (1) and (2), for a pre-norm network.

    source (B, S, d_model) and target (B, T, d_model) are embedded already; source_mask (B, S) is True at real tokens.
    encoder and decoder have `layers`, a list of functions called as README.md says, and `norm`, a function of an array.
    Returns the memory H_enc (B, S, d_model) and the states H_dec (B, T, d_model).
    """
    raise NotImplementedError
