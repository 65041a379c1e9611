"""Softmax and equation (4) of chapter 4.1."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, mistakes_of


def softmax_over(x: ndarray, axis: int) -> ndarray:
    """Softmax over any axis."""
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


# -- softmax


def softmax_cases(draw: np.random.Generator) -> list[Case]:
    """Small numbers, rows whose exponentials are infinite or all 0, and rows of numbers far from one another."""
    one_apart = np.array([[0.0, 0, 0, 2500], [-2500, 0, 0, 0], [2500, 0, 0, 0], [0, 0, 0, 800]])
    far_apart = draw.normal(size=(3, 3)) + np.array([[1000.0], [0.0], [-1000.0]])
    return [
        Case("scores (4, 4)", (draw.normal(size=(4, 4)),)),
        Case("scores (2, 3, 5, 5)", (3 * draw.normal(size=(2, 3, 5, 5)),)),
        Case("rows near 1000, 0 and -1000", (far_apart,)),
        Case("one number far above or below the others", (one_apart,)),
    ]


def slipped_softmax(x: ndarray, slip: str) -> ndarray:
    """Softmax with a known mistake."""
    shifted = x - x.max(axis=-1, keepdims=True)
    if slip == "queries":
        return softmax_over(x, -2)
    if slip == "queries, no maximum":
        return np.exp(x) / np.exp(x).sum(axis=-2, keepdims=True)
    if slip == "whole":
        return np.exp(x - x.max()) / np.exp(x - x.max()).sum()
    if slip == "whole, rows shifted":
        return np.exp(shifted) / np.exp(shifted).sum()
    if slip == "no maximum":
        return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    if slip in ("mean", "least"):
        apart = np.exp(x - getattr(x, {"mean": "mean", "least": "min"}[slip])(axis=-1, keepdims=True))
        return apart / apart.sum(axis=-1, keepdims=True)
    if slip == "one maximum":
        return np.exp(x - x.max()) / np.exp(x - x.max()).sum(axis=-1, keepdims=True)
    return np.exp(shifted)


ROW_SUMS = "weights.sum(axis=-1) is 1 everywhere"

SOFTMAX_SLIPS = [
    ("queries", "softmax over the queries", ROW_SUMS),
    ("queries, no maximum", "softmax over the queries", ROW_SUMS),
    ("whole", "one sum for the whole array", ROW_SUMS),
    ("whole, rows shifted", "one sum for the whole array", ROW_SUMS),
    ("no maximum", "no maximum subtracted", "softmax([1000, 1000]) is [0.5, 0.5]: print np.exp(1000.0)"),
    ("mean", "the mean subtracted, not the maximum",
     "softmax([0, 0, 0, 2500]) is [0, 0, 0, 1]: print np.exp(2500 - 625.0)"),
    ("least", "the minimum subtracted, not the maximum",
     "softmax([-2500, 0]) is [0, 1]: print np.exp(0 + 2500.0)"),
    ("one maximum", "one maximum for the whole array",
     "a row that lies 2000 below another one still sums to 1: print np.exp(-2000.0)"),
    ("undivided", "no division by the sum", ROW_SUMS),
]  # fmt: skip

SOFTMAX = Exercise(
    "softmax", ("weights",), softmax_cases, lambda x: torch.from_numpy(x).softmax(dim=-1).numpy(),
    mistakes_of(slipped_softmax, SOFTMAX_SLIPS),
)  # fmt: skip


# -- attention


def qkv(draw: np.random.Generator, batch: int, heads: int, n_queries: int, n_keys: int, d_k: int) -> list[ndarray]:
    """Queries, keys and values with a mean and a spread that a missing scale would show."""
    return [
        1.5 * draw.normal(size=(batch, heads, n, d_k)) + draw.normal(size=d_k) for n in (n_queries, n_keys, n_keys)
    ]


def some_may(draw: np.random.Generator, *shape: int) -> ndarray:
    """A random mask in which every query may attend to at least one key, and may not to at least one."""
    mask, places = draw.random(shape) < 0.6, np.arange(shape[-1])
    one = draw.integers(0, shape[-1], (*shape[:-1], 1))
    return (mask | (places == one)) & (places != (one + 1) % shape[-1])


def padding_mask(lengths: list[int], max_length: int) -> ndarray:
    """Keys that are real tokens: (B, 1, 1, S)."""
    return (np.arange(max_length) < np.array(lengths)[:, None])[:, None, None, :]


def attention_cases(draw: np.random.Generator) -> list[Case]:
    """As many queries as keys and not, every kind of mask."""
    causal = np.tril(np.ones((4, 4), dtype=bool))
    return [
        Case("1 sentence, 1 head, nothing masked", (*qkv(draw, 1, 1, 4, 4, 4), np.ones((1, 1, 4, 4), dtype=bool))),
        Case("2 sentences, 3 heads, padded keys", (*qkv(draw, 2, 3, 4, 5, 8), padding_mask([5, 2], 5))),
        Case("causal", (*qkv(draw, 2, 2, 4, 4, 6), causal)),
        Case("a random mask", (*qkv(draw, 3, 2, 6, 6, 4), some_may(draw, 3, 1, 6, 6))),
    ]


def attention_by_torch(queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray) -> ndarray:
    """PyTorch's own attention, in which a boolean mask is True at what takes part."""
    return F.scaled_dot_product_attention(
        *(torch.from_numpy(x) for x in (queries, keys, values)), attn_mask=torch.from_numpy(may_attend)
    ).numpy()


def slipped_attention(
    queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray, slip: str = ""
) -> ndarray:
    """Equation (4) with known mistakes: softmax's axis, the scale, the mask's value and its place."""
    what, _, how = slip.partition(", ")
    d_k, d_model = queries.shape[-1], queries.shape[-1] * queries.shape[1]
    scale = {"no scale": 1, "d_model": d_model**0.5, "d_k": d_k, "multiplied": d_k**-0.5}.get(what, d_k**0.5)
    scores = queries @ keys.swapaxes(-2, -1) / scale  # (B, h, T, S)
    fill = {"infinite": -np.inf, "small": 1e-9}.get(how, 0.0 if what == "fill" else -1e30)
    if what not in ("after", "no mask"):
        scores = np.where(~may_attend if what == "inverted" else may_attend, scores, fill)
    weights = softmax_over(scores, -2 if what == "queries" else -1)
    return (weights * may_attend if what == "after" else weights) @ values


ONE = "each row of the weights is one query's, and sums to 1"
SCORE_SPREAD = (
    "with queries and keys of mean 0 and spread 1, the scaled scores have a spread near 1: print scores.std()"
)
MASKED_WEIGHTS = "the weights are exactly 0 where may_attend is False"

ATTENTION_SLIPS = [
    ("queries", "softmax over the queries", ONE),
    ("queries, infinite", "softmax over the queries", ONE),
    ("no scale", "no scale", SCORE_SPREAD),
    ("d_model", "a division by sqrt(d_model), the width of all heads", SCORE_SPREAD),
    ("d_k", "a division by d_k in place of its root", SCORE_SPREAD),
    ("multiplied", "a multiplication by sqrt(d_k)", SCORE_SPREAD),
    ("inverted", "the mask inverted", MASKED_WEIGHTS + ", for True means may attend"),
    ("inverted, infinite", "the mask inverted", MASKED_WEIGHTS + ", for True means may attend"),
    ("after", "weights set to 0 after softmax", ONE + ", also where keys are masked"),
    ("fill", "masked scores filled with 0", MASKED_WEIGHTS + ": exp(0) is 1, not 0"),
    ("fill, small", "masked scores filled with 0", MASKED_WEIGHTS + ": exp(1e-9) is 1, not 0"),
    ("no mask", "no mask", MASKED_WEIGHTS),
]

ATTENTION = Exercise(
    "attention", ("output",), attention_cases, attention_by_torch, mistakes_of(slipped_attention, ATTENTION_SLIPS)
)

EXERCISES = (SOFTMAX, ATTENTION)
