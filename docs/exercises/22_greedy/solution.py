"""Exercise 22, greedy decoding: the reference."""

from collections.abc import Callable

import numpy as np


def greedy(
    next_log_probs: Callable[[np.ndarray], np.ndarray],
    batch: int,
    start_id: int,
    end_id: int,
    pad_id: int,
    max_new_tokens: int,
) -> np.ndarray:
    """Ids (B, max_new_tokens), padded behind the last token."""
    prefix = np.full((batch, 1), start_id)  # (B, t + 1)
    output = np.full((batch, max_new_tokens), pad_id)
    ended = np.zeros(batch, dtype=bool)
    for step in range(max_new_tokens):
        token = next_log_probs(prefix).argmax(axis=-1)  # (B)
        ended |= token == end_id
        if ended.all():
            break
        output[~ended, step] = token[~ended]
        prefix = np.concatenate([prefix, token[:, None]], axis=1)
    return output
