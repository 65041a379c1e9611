"""Exercise 23, one step of beam search: the reference."""

import numpy as np


def beam_step(
    sums: np.ndarray,
    lengths: np.ndarray,
    finished: np.ndarray,
    log_probs: np.ndarray,
    alpha: float,
    end_id: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """parents (K), tokens (K), sums (K), best first."""
    beam, vocab_size = log_probs.shape
    candidates = sums[:, None] + log_probs  # (K, V)
    candidates[finished] = -np.inf
    candidates[finished, end_id] = sums[finished]
    new_lengths = np.where(finished, lengths, lengths + 1)  # (K)
    scores = candidates / new_lengths[:, None] ** alpha  # (K, V)
    best = np.argsort(-scores, axis=None)[:beam]  # (K), indices of the flattened array
    parents, tokens = np.divmod(best, vocab_size)
    return parents, tokens, candidates[parents, tokens]
