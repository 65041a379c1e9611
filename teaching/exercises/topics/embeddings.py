"""From ids to vectors with positions: the lookup and sinusoids."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, mistakes_of


def embed_cases(draw: np.random.Generator) -> list[Case]:
    """A token that occurs twice, two sentences, and positions longer than the sentence."""

    def case(about: str, ids: ndarray, vocab_size: int, d_model: int) -> Case:
        return Case(about, (ids, draw.normal(size=(vocab_size, d_model)), draw.normal(size=(9, d_model))))

    return [
        case("1 sentence, a token twice", np.array([[3, 1, 3]]), 5, 4),
        case("2 sentences of 4 tokens, width 9", draw.integers(0, 7, (2, 4)), 7, 9),
    ]


def embed_by_torch(ids: ndarray, table: ndarray, positions: ndarray) -> ndarray:
    """torch's embedding, to which each position is added by itself."""
    x = F.embedding(torch.from_numpy(ids), torch.from_numpy(table)) * math.sqrt(table.shape[1])
    for t in range(ids.shape[1]):
        x[:, t] += torch.from_numpy(positions[t])
    return x.numpy()


def slipped_embed(ids: ndarray, table: ndarray, positions: ndarray, slip: str) -> ndarray:
    """The embedding sqrt(d_model) E[ids] + P with a known mistake."""
    d_model = table.shape[1]
    scale = {"unscaled": 1, "divided": 1 / math.sqrt(d_model), "d_model": d_model, "d_k": math.sqrt(2 * d_model)}
    x = table[ids] * scale.get(slip, math.sqrt(d_model))
    if slip == "no positions":
        return x
    if slip == "by id":
        return x + positions[ids]
    added = positions[1 : ids.shape[1] + 1] if slip == "from 1" else positions[: ids.shape[1]]
    return (table[ids] + added) * math.sqrt(d_model) if slip == "both" else x + added


EMBEDDING_SPREAD = "x - positions has sqrt(d_model) times the spread of the table"

EMBED_SLIPS = [
    ("unscaled", "no scale", EMBEDDING_SPREAD),
    ("divided", "a division by sqrt(d_model), which is attention's scale", EMBEDDING_SPREAD),
    ("d_model", "a multiplication by d_model, without its root", EMBEDDING_SPREAD),
    ("both", "positions scaled with the embedding", "with a table of zeros, x is the positions as they are"),
    ("no positions", "no positions", "the same token at two places has two vectors"),
    ("by id", "positions looked up by token id", "with a table of zeros, every sentence has the same x"),
    ("from 1", "positions counted from 1", "with a table of zeros, x[:, 0] is positions[0]"),
]

EMBED = Exercise("embed", ("x",), embed_cases, embed_by_torch, mistakes_of(slipped_embed, EMBED_SLIPS))


def sinusoid_cases(draw: np.random.Generator) -> list[Case]:
    """Several widths, and positions far away."""
    return [
        Case("3 positions, width 4", (3, 4)), Case("10 positions, width 6", (10, 6)),
        Case("60 positions, width 16", (60, 16)),
    ]  # fmt: skip


def sinusoids_by_definition(length: int, d_model: int) -> ndarray:
    """Sinusoids by Vaswani et al. 2017, 3.5, cell by cell."""
    table = np.zeros((length, d_model))
    for position in range(length):
        for i in range(d_model // 2):
            angle = position / math.pow(10000, 2 * i / d_model)
            table[position, 2 * i], table[position, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


def slipped_sinusoids(length: int, d_model: int, slip: str) -> ndarray:
    """The table of sinusoids with a known mistake."""
    i = np.arange(d_model // 2)
    exponents = i / d_model if slip == "i" else 2 * i / d_model
    positions = np.arange(length)[:, None] + (1 if slip == "from 1" else 0)
    angles = positions * 10000.0 ** (exponents if slip == "multiplied" else -exponents)
    sine, cosine = (np.cos(angles), np.sin(angles)) if slip == "swapped" else (np.sin(angles), np.cos(angles))
    if slip == "halves":
        return np.concatenate([sine, cosine], axis=1)
    if slip == "all columns":
        every = np.arange(length)[:, None] * 10000.0 ** (-np.arange(d_model) / d_model)
        return np.where(np.arange(d_model) % 2 == 0, np.sin(every), np.cos(every))
    return np.stack([sine, cosine], axis=-1).reshape(length, d_model)


COLUMN_PAIRS = "table[:, 0::2]**2 + table[:, 1::2]**2 is 1 everywhere"
ROW_0 = "row 0 is 0, 1, 0, 1, .."

SINUSOID_SLIPS = [
    ("halves", "all sines first, then all cosines", ROW_0),
    ("swapped", "the cosine first", ROW_0),
    ("i", "the exponent i / d_model in place of 2i / d_model", "the last pair's angle is pos / 10000^((d - 2) / d)"),
    ("all columns", "an exponent of its own for every column", COLUMN_PAIRS),
    ("from 1", "positions counted from 1", ROW_0),
    ("multiplied", "a multiplication by 10000^(2i/d) in place of a division",
     "the last columns hardly change from one position to the next"),
]  # fmt: skip

SINUSOIDS = Exercise(
    "sinusoids", ("table",), sinusoid_cases, sinusoids_by_definition, mistakes_of(slipped_sinusoids, SINUSOID_SLIPS)
)

EXERCISES = (EMBED, SINUSOIDS)
