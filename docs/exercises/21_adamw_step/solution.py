"""Exercise 21, one step of AdamW: the reference."""

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def adamw_step(
    weight: np.ndarray,
    gradient: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    step: int,
    learning_rate: float,
    decay: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The new weight, m and v."""
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient**2
    direction = (mean / (1 - BETA1**step)) / (np.sqrt(square / (1 - BETA2**step)) + EPSILON)
    return weight * (1 - learning_rate * decay) - learning_rate * direction, mean, square
