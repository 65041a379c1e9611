"""Backward passes of softmax and of equation (4); the truth is PyTorch's autograd."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, mistakes_of
from teaching.exercises.topics.attention import padding_mask, qkv, softmax_over, some_may
from teaching.exercises.topics.autograd import gradients


def softmax_cases(draw: np.random.Generator) -> list[Case]:
    """Square maps of weights, some of them with masked places, where the weight is exactly 0."""

    def case(about: str, shape: tuple[int, ...], may_attend: ndarray | None = None) -> Case:
        scores = 2 * draw.normal(size=shape)
        weights = softmax_over(scores if may_attend is None else np.where(may_attend, scores, -1e30), -1)
        return Case(about, (draw.normal(size=shape) + 1, weights))

    return [
        case("1 row of 3", (1, 3)), case("maps (2, 2, 4, 4)", (2, 2, 4, 4)),
        case("masked, (2, 1, 5, 5)", (2, 1, 5, 5), some_may(draw, 2, 1, 5, 5)),
    ]  # fmt: skip


def softmax_backward_by_autograd(d_weights: ndarray, weights: ndarray) -> ndarray:
    """The gradient of softmax at log(weights), whose softmax is weights; 0 where the weight is 0."""
    with np.errstate(divide="ignore"):
        scores = np.maximum(np.log(weights), -1e30)
    return gradients(lambda scores: scores.softmax(dim=-1), d_weights, scores)[0]


def slipped_softmax_backward(d_weights: ndarray, weights: ndarray, slip: str = "") -> ndarray:
    """The backward of softmax, p * (g - sum of g p), with a known mistake."""
    if slip == "diagonal":
        return d_weights * weights * (1 - weights)
    if slip == "skipped":
        return d_weights.copy()
    if slip == "no sum":
        return weights * d_weights
    if slip == "mean":
        return weights * (d_weights - d_weights.mean(axis=-1, keepdims=True))
    if slip == "plain sum":
        return weights * (d_weights - d_weights.sum(axis=-1, keepdims=True))
    if slip == "no weights":
        return d_weights - (d_weights * weights).sum(axis=-1, keepdims=True)
    axis = -2 if slip == "queries" else -1
    return weights * (d_weights - (d_weights * weights).sum(axis=axis, keepdims=True))


SUM_0 = "d_scores.sum(axis=-1) is 0: adding the same number to a row of scores moves nothing"

SOFTMAX_BACKWARD_SLIPS = [
    ("diagonal", "the diagonal of the Jacobian alone, p (1 - p) g", SUM_0),
    ("no sum", "p g without the sum that is subtracted", SUM_0),
    ("mean", "the plain mean of g subtracted, not the one weighted by p", SUM_0),
    ("plain sum", "the sum of g subtracted, not weighted by p", SUM_0),
    ("queries", "the sum over the queries", SUM_0),
    ("no weights", "p in front of the bracket forgotten", "d_scores is 0 where the weight is 0, at masked keys"),
    ("skipped", "the gradient passed on as it came", "d_scores is 0 where the weight is 0, and " + SUM_0),
]

SOFTMAX_BACKWARD = Exercise(
    "softmax_backward", ("d_scores",), softmax_cases, softmax_backward_by_autograd,
    mistakes_of(slipped_softmax_backward, SOFTMAX_BACKWARD_SLIPS),
)  # fmt: skip


# -- attention


def attention_cases(draw: np.random.Generator) -> list[Case]:
    """As many queries as keys, so that a forgotten transpose has the right shape."""

    def case(about: str, batch: int, heads: int, length: int, d_k: int, may_attend: ndarray) -> Case:
        return Case(about, (draw.normal(size=(batch, heads, length, d_k)),
                            *qkv(draw, batch, heads, length, length, d_k), may_attend))  # fmt: skip

    return [
        case("1 head, nothing masked", 1, 1, 3, 3, np.ones((1, 1, 3, 3), dtype=bool)),
        case("padded keys", 2, 2, 4, 6, padding_mask([4, 2], 4)),
        case("causal", 2, 1, 5, 4, np.tril(np.ones((5, 5), dtype=bool))),
    ]


def attention_by_autograd(
    d_output: ndarray, queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray
) -> tuple[ndarray, ...]:
    """The gradients of PyTorch's own attention."""
    mask = torch.from_numpy(may_attend)
    return gradients(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask), d_output, queries, keys,
                     values)  # fmt: skip


def slipped_attention_backward(
    d_output: ndarray, queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray, slip: str
) -> tuple[ndarray, ndarray, ndarray]:
    """The backward of equation (4) with a known mistake."""
    root = queries.shape[-1] ** 0.5
    scores = np.where(may_attend, queries @ keys.swapaxes(-2, -1) / root, -1e30)
    weights = softmax_over(scores, -1)  # (B, h, T, S)
    d_values = (weights if slip == "values" else weights.swapaxes(-2, -1)) @ d_output
    d_weights = d_output @ (keys if slip == "keys for values" else values).swapaxes(-2, -1)
    d_scores = slipped_softmax_backward(
        d_weights, weights, slip if slip in ("skipped", "no sum", "diagonal", "queries") else ""
    )
    back = {"no scale": 1, "multiplied": 1 / root}.get(slip, root)
    d_queries = d_scores @ (queries if slip == "own" else keys) / back
    turned = d_scores if slip == "not turned" else d_scores.swapaxes(-2, -1)
    return d_queries, turned @ (keys if slip == "own" else queries) / back, d_values


AT_MASK = "d_scores is 0 at every masked place, and so d_keys and d_values are 0 at padded keys"
BY_FACTOR = "a number of d_queries compared with its central difference is off by the factor "

ATTENTION_BACKWARD_SLIPS = [
    ("no scale", "the scale forgotten on the way back", BY_FACTOR + "sqrt(d_k)"),
    ("multiplied", "a multiplication by sqrt(d_k) in place of the division", BY_FACTOR + "d_k"),
    ("values", "the weights not transposed in d_values", AT_MASK),
    ("not turned", "dL/dscores not transposed in d_keys", AT_MASK),
    ("skipped", "softmax's backward left out", "d_scores.sum(axis=-1) is 0, and d_scores is 0 at masked places"),
    ("no sum", "softmax's backward without the sum that is subtracted", SUM_0),
    ("diagonal", "the diagonal of softmax's Jacobian alone", SUM_0),
    ("queries", "softmax's backward over the queries", SUM_0),
    ("keys for values", "keys in place of values in dL/dweights", "doubling the values doubles d_queries"),
    ("own", "queries multiplied for d_queries, keys for d_keys", "with all keys 0, d_queries is 0"),
]  # fmt: skip

ATTENTION_BACKWARD = Exercise(
    "attention_backward", ("d_queries", "d_keys", "d_values"), attention_cases, attention_by_autograd,
    mistakes_of(slipped_attention_backward, ATTENTION_BACKWARD_SLIPS),
)  # fmt: skip

EXERCISES = (SOFTMAX_BACKWARD, ATTENTION_BACKWARD)
