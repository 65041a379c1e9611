"""AdamW (Loshchilov and Hutter 2019, algorithm 2) with decay on matrices alone, and clipping of the whole gradient.

    m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2        running means of g and of its square
    w = w - lr decay w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

m and v start at 0, too small by the factor 1 - beta^t after t steps, which the division takes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from model.numpy_reference.linear import Weights


@dataclass
class AdamW:
    """AdamW's settings and the running means of every weight; `update` changes the weights in place."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    step: int = 0  # steps taken, t
    mean: Weights = field(default_factory=dict)  # m
    mean_square: Weights = field(default_factory=dict)  # v

    def update(self, weights: Weights, gradients: Weights, learning_rate: float) -> None:
        """Take one step on every weight. Biases and gains of norms (vectors) do not decay."""
        self.step += 1
        for name, gradient in gradients.items():
            m = self.mean.setdefault(name, np.zeros_like(gradient))
            v = self.mean_square.setdefault(name, np.zeros_like(gradient))
            m += (1 - self.beta1) * (gradient - m)
            v += (1 - self.beta2) * (gradient**2 - v)
            if gradient.ndim > 1:
                weights[name] *= 1 - learning_rate * self.weight_decay
            root = np.sqrt(v / (1 - self.beta2**self.step)) + self.epsilon
            weights[name] -= learning_rate * (m / (1 - self.beta1**self.step)) / root


def clip(gradients: Weights, clip_norm: float) -> float:
    """Scale all gradients in place so that their common norm is at most `clip_norm`; return the norm they had."""
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
    if norm > clip_norm:
        for gradient in gradients.values():
            gradient *= clip_norm / (norm + 1e-6)
    return norm
