"""Equation (6) of chapter 4.1 over real tokens, with label smoothing, and its gradient.

    L = -(1/N) sum over real t of sum over v of q_t(v) log P(v | y_<t, X)
    q_t(v) = (1 - epsilon) (1 if v = y_t else 0) + epsilon / V        Szegedy et al. 2016, section 7
    dL/dlogits_t = (P_t - q_t) / N                                    0 where t is padding; each row sums to 0

The last line is softmax's Jacobian times -q/P: the sum over v of q(v) is 1, so all that is left is the difference
between what the network says and what it should have said.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from model.numpy_reference.softmax import log_softmax


def smoothed_targets(target: ndarray, vocab_size: int, label_smoothing: float) -> ndarray:
    """The smoothed targets q: ids (...) -> distributions (..., V), which sum to 1."""
    return (1 - label_smoothing) * np.eye(vocab_size)[target] + label_smoothing / vocab_size


def cross_entropy(
    logits: ndarray, target: ndarray, target_mask: ndarray, label_smoothing: float = 0.0
) -> tuple[float, ndarray]:
    """The loss in nats per real token, and dL/dlogits. logits (B, T, V), target and target_mask (B, T)."""
    n_tokens = target_mask.sum()
    smoothed = smoothed_targets(target, logits.shape[-1], label_smoothing).astype(logits.dtype, copy=False)  # (B, T, V)
    log_probs = log_softmax(logits)  # (B, T, V)
    loss = -(smoothed * log_probs).sum(axis=-1)[target_mask].sum() / n_tokens
    d_logits = (np.exp(log_probs) - smoothed) * target_mask[..., None] / n_tokens  # (B, T, V)
    return float(loss), d_logits
