"""The gradient of the embedding: from its lookups, and from the output when the two are tied."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, mistakes_of
from teaching.exercises.topics.autograd import gradients


def lookup_cases(draw: np.random.Generator) -> list[Case]:
    """A token that occurs twice in a sentence and again in another one; padding; tokens that do not occur."""
    ids = np.array([[4, 2, 4, 0], [2, 5, 0, 0]])
    return [
        Case("a token twice", (draw.normal(size=(1, 3, 4)), np.array([[3, 1, 3]]), 6, 0)),
        Case("2 sentences, padded", (draw.normal(size=(2, 4, 5)), ids, 8, 0)),
        Case("padding has id 7", (draw.normal(size=(2, 4, 3)), np.where(ids == 0, 7, ids), 8, 7)),
    ]


def lookup_by_autograd(d_x: ndarray, ids: ndarray, vocab_size: int, pad_id: int) -> ndarray:
    """The gradient of torch's embedding, which is told which row is padding."""

    def scaled(table: torch.Tensor) -> torch.Tensor:
        return F.embedding(torch.from_numpy(ids), table, padding_idx=pad_id) * math.sqrt(d_x.shape[-1])

    return gradients(scaled, d_x, np.zeros((vocab_size, d_x.shape[-1])))[0]


def slipped_lookup_backward(d_x: ndarray, ids: ndarray, vocab_size: int, pad_id: int, slip: str) -> ndarray:
    """The scatter-add with a known mistake."""
    root = math.sqrt(d_x.shape[-1])
    rows = d_x * {"no scale": 1, "divided": 1 / root}.get(slip, root)
    table = np.zeros((vocab_size, d_x.shape[-1]))
    if slip == "assigned":
        table[ids] = rows
    else:
        np.add.at(table, ids, rows)
    if slip == "mean":
        table /= np.maximum(np.bincount(ids.ravel(), minlength=vocab_size), 1)[:, None]
    if slip != "padding":
        table[pad_id] = 0
    return table


LOOKUP_SLIPS = [
    ("assigned", "assignment in place of adding (d_table[ids] += .. assigns as well)",
     "a token that occurs twice gets the sum: d_table.sum(axis=0) is sqrt(d_model) times the sum over real tokens"),
    ("no scale", "the scale sqrt(d_model) forgotten", "the forward multiplied by it, so the backward does"),
    ("divided", "a division by sqrt(d_model)", "the forward multiplied by it, so the backward does"),
    ("mean", "the mean over a token's places in place of the sum", "a sentence given twice doubles its rows"),
    ("padding", "padding taught", "d_table[pad_id] is 0"),
]  # fmt: skip

EMBEDDING_BACKWARD = Exercise(
    "embedding_backward", ("d_table",), lookup_cases, lookup_by_autograd,
    mistakes_of(slipped_lookup_backward, LOOKUP_SLIPS),
)  # fmt: skip


# -- tied


def tied_cases(draw: np.random.Generator) -> list[Case]:
    """Tokens that occur twice, and more rows than tokens: the output touches them all."""

    def case(about: str, ids: ndarray, vocab_size: int, d_model: int) -> Case:
        d_logits, states, d_x = (draw.normal(size=(*ids.shape, n)) for n in (vocab_size, d_model, d_model))
        return Case(about, (d_logits, states, d_x, ids))

    return [
        case("1 sentence, a token twice", np.array([[1, 3, 1]]), 5, 4),
        case("2 sentences of 4 tokens", draw.integers(0, 6, (2, 4)), 7, 3),
    ]


def tied_by_autograd(d_logits: ndarray, states: ndarray, d_x: ndarray, ids: ndarray) -> ndarray:
    """The gradient of one table that is looked up and multiplied with, both results joined into one output."""

    def both(table: torch.Tensor) -> torch.Tensor:
        looked_up = F.embedding(torch.from_numpy(ids), table)
        return torch.cat([F.linear(torch.from_numpy(states), table), looked_up], dim=-1)

    table = np.zeros((d_logits.shape[-1], d_x.shape[-1]))
    return gradients(both, np.concatenate([d_logits, d_x], axis=-1), table)[0]


def slipped_tied(d_logits: ndarray, states: ndarray, d_x: ndarray, ids: ndarray, slip: str) -> ndarray:
    """The sum of both uses with a known mistake."""
    output = np.einsum("btv,btd->vd", d_logits, states)
    lookup = np.zeros_like(output)
    np.add.at(lookup, ids, d_x)
    if slip == "overwritten":
        output[ids] = lookup[ids]
        return output
    if slip in ("assigned", "plus"):
        assigned = output.copy() if slip == "plus" else np.zeros_like(output)
        assigned[ids] += d_x
        return assigned if slip == "plus" else assigned + output
    return {"output": output, "lookup": lookup, "mean": (output + lookup) / 2, "minus": output - lookup}[slip]


BOTH = "d_logits = 0 gives the lookup's gradient alone, and d_x = 0 the output's alone"

TIED_SLIPS = [
    ("output", "the output's part alone", BOTH),
    ("lookup", "the lookup's part alone, which leaves most rows 0", BOTH),
    ("mean", "the mean of the two parts", BOTH),
    ("minus", "one part subtracted", BOTH),
    ("overwritten", "one part written over the other", BOTH),
    ("assigned", "assignment in place of adding (d_table[ids] += .. assigns as well)",
     "with d_logits = 0 a token that occurs twice gets the sum of both its rows of d_x"),
    ("plus", "assignment in place of adding (d_table[ids] += .. assigns as well)", ""),
]  # fmt: skip

TIED = Exercise("tied_gradient", ("d_table",), tied_cases, tied_by_autograd, mistakes_of(slipped_tied, TIED_SLIPS))

EXERCISES = (EMBEDDING_BACKWARD, TIED)
