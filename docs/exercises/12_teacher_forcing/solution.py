"""Exercise 12, teacher forcing: the reference."""

import numpy as np


def teacher_forcing(
    targets: list[list[int]], start_id: int, end_id: int, pad_id: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """decoder_input, labels and counted, (B, T) each."""
    lengths = np.array([len(target) for target in targets])  # (B)
    labels = np.full((len(targets), lengths.max() + 1), pad_id)  # (B, T)
    for row, target in zip(labels, targets):
        row[: len(target)] = target
        row[len(target)] = end_id
    start = np.full((len(targets), 1), start_id)
    decoder_input = np.concatenate([start, labels[:, :-1]], axis=1)  # (B, T)
    counted = np.arange(labels.shape[1]) <= lengths[:, None]  # (B, T)
    return decoder_input, labels, counted
