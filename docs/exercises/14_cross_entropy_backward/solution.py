"""Exercise 14, cross-entropy backward: the reference."""

import numpy as np


def cross_entropy_backward(logits: np.ndarray, target: np.ndarray, is_real: np.ndarray, epsilon: float) -> np.ndarray:
    """logits (B, T, V), target and is_real (B, T) -> dL/dlogits (B, T, V)."""
    vocab_size = logits.shape[-1]
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))  # (B, T, V)
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    q = (1 - epsilon) * np.eye(vocab_size)[target] + epsilon / vocab_size  # (B, T, V)
    return (probs - q) * is_real[..., None] / is_real.sum()
