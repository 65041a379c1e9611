"""Exercise 24, temperature and nucleus: the reference."""

import numpy as np


def nucleus(states: np.ndarray, w_output: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """states (B, d_model), w_output (V, d_model) -> (B, V), rows that sum to 1."""
    logits = states @ w_output.T / temperature  # (B, V)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)  # (B, V)
    order = np.argsort(-probs, axis=-1)  # (B, V), best first
    ordered = np.take_along_axis(probs, order, axis=-1)
    better = np.cumsum(ordered, axis=-1) - ordered  # (B, V), what all better words sum to
    kept = np.zeros_like(probs)
    np.put_along_axis(kept, order, np.where(better < top_p, ordered, 0), axis=-1)
    return kept / kept.sum(axis=-1, keepdims=True)
