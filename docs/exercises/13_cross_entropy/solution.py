"""Exercise 13, cross-entropy over real tokens: the reference."""

import numpy as np


def cross_entropy(logits: np.ndarray, target: np.ndarray, is_real: np.ndarray, epsilon: float) -> float:
    """logits (B, T, V), target and is_real (B, T) -> nats per real token."""
    vocab_size = logits.shape[-1]
    shifted = logits - logits.max(axis=-1, keepdims=True)  # (B, T, V), the largest is 0
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # (B, T, V)
    q = (1 - epsilon) * np.eye(vocab_size)[target] + epsilon / vocab_size  # (B, T, V)
    each = -(q * log_probs).sum(axis=-1)  # (B, T)
    return float(each[is_real].mean())
