"""Exercise 23, one step of beam search: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def beam_step(
    sums: np.ndarray,
    lengths: np.ndarray,
    finished: np.ndarray,
    log_probs: np.ndarray,
    alpha: float,
    end_id: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The K best candidates by sum / length^alpha, best first.

    sums (K) of log-probabilities, lengths (K) in tokens and finished (K), boolean, of the hypotheses; log_probs (K, V)
    of the next token, without meaning in the rows of finished ones. Returns parents (K), which hypothesis each of the
    best extends, tokens (K), and their sums (K).
    """
    raise NotImplementedError
