"""Masks of padding and of the future (chapter 4.1, equation (2))."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from teaching.exercises.exercise import Case, Exercise, mistakes_of


def mask_cases(draw: np.random.Generator) -> list[Case]:
    """Sentences of equal and of unequal lengths."""
    return [
        Case("one sentence, no padding", (np.array([4]), 4)),
        Case("lengths 3, 5 and 1", (np.array([3, 5, 1]), 5)),
        Case("all padded, 6 columns", (draw.integers(1, 6, 4), 6)),
    ]


def mask_by_definition(lengths: ndarray, max_length: int) -> ndarray:
    """The mask, cell by cell: key j is a real token of the sentence, and not later than query i."""
    mask = np.zeros((len(lengths), max_length, max_length), dtype=bool)
    for b, length in enumerate(lengths):
        for i in range(max_length):
            for j in range(max_length):
                mask[b, i, j] = j < length and j <= i
    return mask


def slipped_mask(lengths: ndarray, max_length: int, slip: str) -> ndarray:
    """The mask with a known mistake."""
    places = np.arange(max_length)
    real, causal = places < lengths[:, None], places[None, :] <= places[:, None]  # (B, T), (T, T)
    keys = real[:, None, :] & np.ones((max_length, 1), dtype=bool)  # (B, T, T)
    return {
        "blocked": ~(keys & causal),
        "future": keys & causal.T,
        "queries": keys & causal & real[:, :, None],
        "strict": keys & causal & ~np.eye(max_length, dtype=bool),
        "padding": keys,
        "causal": np.broadcast_to(causal, keys.shape),
        "or": keys | causal,
    }[slip]


FIRST_ROW = "row 0 of each sentence has one True, at column 0"
PADDED_COLUMNS = "columns from lengths[b] on are False in every row"

MASK_SLIPS = [
    ("blocked", "True means blocked", "mask[0, 0, 0] lets the first token attend to itself"),
    ("future", "the upper triangle, which shows the future", FIRST_ROW),
    ("queries", "padded queries masked as well",
     "every row has a True: a row without one is NaN after softmax, and nobody reads a padded query"),
    ("strict", "a token that may not attend to itself", "the diagonal is True wherever the key is real"),
    ("padding", "padding alone, the future open", FIRST_ROW),
    ("causal", "the triangle alone, padding open", PADDED_COLUMNS),
    ("or", "'or' where both conditions must hold", PADDED_COLUMNS + ", and " + FIRST_ROW),
]  # fmt: skip

EXERCISES = (
    Exercise("self_attention_mask", ("mask",), mask_cases, mask_by_definition, mistakes_of(slipped_mask, MASK_SLIPS)),
)
