"""Exercise 12, teacher forcing: read README.md here first. NumPy arrays alone."""

import numpy as np

PREDICTION = ""  # your answer to the page's question, before you write code


def teacher_forcing(
    targets: list[list[int]], start_id: int, end_id: int, pad_id: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the decoder reads, what it is to say, and which of it counts.

    targets: B lists of ids, without start, end and padding; a list may be empty. T is the longest length + 1. Returns
    decoder_input (B, T), labels (B, T), both whole numbers, and counted (B, T), boolean: True at a label that is a
    token of the sentence or its end token. labels is padded on the right with pad_id; decoder_input is labels moved by
    one place to the right, start_id in front.
    """
    raise NotImplementedError
