"""Exercise 22, greedy decoding: read README.md here first. NumPy arrays alone."""

from collections.abc import Callable

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def greedy(
    next_log_probs: Callable[[np.ndarray], np.ndarray],
    batch: int,
    start_id: int,
    end_id: int,
    pad_id: int,
    max_new_tokens: int,
) -> np.ndarray:
    """The most probable next token at every step, for B = batch sentences at once.

    next_log_probs takes prefixes (B, t) of ids, start token included, for all sentences, and gives log P of the next
    token (B, V). Returns ids (B, max_new_tokens): the tokens without start and end token, then pad_id.
    """
    raise NotImplementedError
