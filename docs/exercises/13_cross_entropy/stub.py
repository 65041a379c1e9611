"""Exercise 13, cross-entropy over real tokens: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def cross_entropy(logits: np.ndarray, target: np.ndarray, is_real: np.ndarray, epsilon: float) -> float:
    """Equation (6) with label smoothing, in nats per real token.

    logits (B, T, V), not normalised; target (B, T) of ids; is_real (B, T), True at tokens that count; epsilon, the part
    of q that is spread over the vocabulary. Returns one number.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)  # (B, T, V), the largest is 0
    log_probs = ...  # (B, T, V), log P
    q = ...  # (B, T, V)
    return ...
