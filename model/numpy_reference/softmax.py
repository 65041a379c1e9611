"""Softmax, its logarithm, and the product of its Jacobian with a gradient.

    p_i = exp(x_i) / sum over j of exp(x_j)                     equations (3) and (4) of chapter 4.1
    dp_i / dx_j = p_i (1 if i = j else 0) - p_i p_j             the Jacobian diag(p) - p p^T, symmetric
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray


def softmax(x: ndarray) -> ndarray:
    """Softmax over the last axis, (..., n) -> (..., n). Subtracting the largest only keeps exp finite."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def log_softmax(x: ndarray) -> ndarray:
    """log p_i = x_i - log sum_j exp(x_j), without the logarithm of a number that was rounded to 0. (..., n)."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax_backward(d_probs: ndarray, probs: ndarray) -> ndarray:
    """dL/dx = (diag(p) - p p^T) g = p * (g - sum_j g_j p_j), with g = dL/dp. (..., n) -> (..., n).

    Each row sums to 0: adding the same number to every x changes no p.
    """
    return probs * (d_probs - (d_probs * probs).sum(axis=-1, keepdims=True))
