"""Exercise 21, one step of AdamW: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code
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
    """The weight and the running means after one step.

    weight, gradient, mean (m) and square (v) have one shape; step is the number of this step, 1 for the first. Returns
    the new weight, m and v.
    """
    raise NotImplementedError
