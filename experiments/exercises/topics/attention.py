"""Softmax, equation (4), heads and equation (5) of chapter 4.1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from experiments.exercises.exercise import Case, Exercise, Mistake


def softmax_over(x: ndarray, axis: int) -> ndarray:
    """Softmax over any axis."""
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


# -- softmax


def softmax_cases(draw: np.random.Generator) -> list[Case]:
    """Small numbers, and rows whose exponentials are infinite or all 0."""
    far_apart = draw.normal(size=(3, 3)) + np.array([[1000.0], [0.0], [-1000.0]])
    return [
        Case("scores (4, 4)", (draw.normal(size=(4, 4)),)),
        Case("scores (2, 3, 5, 5)", (3 * draw.normal(size=(2, 3, 5, 5)),)),
        Case("rows near 1000, 0 and -1000", (far_apart,)),
    ]


def one_maximum(x: ndarray) -> ndarray:
    """The largest number of the whole array subtracted from every row."""
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def plain_softmax(x: ndarray) -> ndarray:
    """Nothing subtracted."""
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


SOFTMAX = Exercise(
    "softmax", ("weights",), softmax_cases, lambda x: torch.from_numpy(x).softmax(dim=-1).numpy(),
    (
        Mistake("softmax over the queries", lambda x: softmax_over(x, -2), "weights.sum(axis=-1) is 1 everywhere"),
        Mistake("one sum for the whole array", lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
                "weights.sum(axis=-1) is 1 everywhere, and not a share of 1"),
        Mistake("no maximum subtracted", plain_softmax, "softmax([1000, 1000]) is [0.5, 0.5]: print np.exp(1000.0)"),
        Mistake("one maximum for the whole array", one_maximum,
                "a row that is 2000 below another one still sums to 1: print np.exp(-2000.0)"),
        Mistake("each share divided by the largest", lambda x: np.exp(x - x.max(axis=-1, keepdims=True)),
                "weights.sum(axis=-1) is 1 everywhere"),
    ),
)  # fmt: skip


# -- attention


def qkv(draw: np.random.Generator, batch: int, heads: int, n_queries: int, n_keys: int, d_k: int) -> list[ndarray]:
    """Queries, keys and values with a mean and a spread that a missing scale would show."""
    return [
        1.5 * draw.normal(size=(batch, heads, n, d_k)) + draw.normal(size=d_k) for n in (n_queries, n_keys, n_keys)
    ]


def some_may(draw: np.random.Generator, *shape: int) -> ndarray:
    """A random mask in which every query may attend to at least one key."""
    mask = draw.random(shape) < 0.6
    return mask | (np.arange(shape[-1]) == draw.integers(0, shape[-1], (*shape[:-1], 1)))


def attention_cases(draw: np.random.Generator) -> list[Case]:
    """As many queries as keys and not, every kind of mask."""
    lengths = np.array([5, 2])
    padding = (np.arange(5) < lengths[:, None])[:, None, None, :]  # (B, 1, 1, S)
    causal = np.tril(np.ones((4, 4), dtype=bool))
    return [
        Case("1 sentence, 1 head, nothing masked", (*qkv(draw, 1, 1, 4, 4, 4), np.ones((1, 1, 4, 4), dtype=bool))),
        Case("2 sentences, 3 heads, padded keys", (*qkv(draw, 2, 3, 4, 5, 8), padding)),
        Case("causal", (*qkv(draw, 2, 2, 4, 4, 6), causal)),
        Case("a random mask", (*qkv(draw, 3, 2, 6, 6, 4), some_may(draw, 3, 1, 6, 6))),
    ]


def attention_by_torch(queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray) -> ndarray:
    """PyTorch's own attention, in which a boolean mask is True at what takes part."""
    return F.scaled_dot_product_attention(
        *(torch.from_numpy(x) for x in (queries, keys, values)), attn_mask=torch.from_numpy(may_attend)
    ).numpy()


def attention_with(
    queries: ndarray, keys: ndarray, values: ndarray, may_attend: ndarray, *, axis: int = -1, power: float = 0.5,
    per_head: bool = True, fill: float = -1e30, after: str = "",
) -> ndarray:
    """Equation (4) with its places for mistakes: softmax's axis, the scale, what a mask writes, and when."""
    width = queries.shape[-1] * (1 if per_head else queries.shape[1])
    scores = queries @ keys.swapaxes(-2, -1) / width**power  # (B, h, T, S)
    if not after:
        scores = np.where(may_attend, scores, fill)
    weights = softmax_over(scores, axis)
    if after:
        weights = weights * may_attend
    return weights @ values


def mistaken_attention(name: str, check: str, also: Sequence[dict] = (), **what: object) -> Mistake:
    """One of `attention_with`."""
    others = tuple(partial(attention_with, **(what | other)) for other in also)
    return Mistake(name, partial(attention_with, **what), check, others)


ROWS = "each row of the weights is one query's, and sums to 1"
SPREAD = "with queries and keys of mean 0 and spread 1, the scaled scores have a spread near 1: print scores.std()"

ATTENTION = Exercise(
    "attention", ("output",), attention_cases, attention_by_torch,
    (
        mistaken_attention("softmax over the queries", ROWS, [{"fill": -np.inf}], axis=-2),
        mistaken_attention("no scale", SPREAD, power=0),
        mistaken_attention("the scale sqrt(d_model), with all heads in it", SPREAD, per_head=False),
        mistaken_attention("a division by d_k in place of its root", SPREAD, power=1),
        mistaken_attention("a multiplication by sqrt(d_k)", SPREAD, power=-0.5),
        Mistake("the mask inverted", lambda q, k, v, may: attention_with(q, k, v, ~may),
                "the weights are 0 where may_attend is False, and True means may attend",
                (lambda q, k, v, may: attention_with(q, k, v, ~may, fill=-np.inf),)),
        mistaken_attention("weights set to 0 after softmax", ROWS + ", also where keys are masked", after="0"),
        mistaken_attention("masked scores filled with 0",
                           "the weights are exactly 0 where may_attend is False: exp(0) is 1, not 0",
                           [{"fill": 1e-9}], fill=0.0),
        Mistake("no mask", lambda q, k, v, may: attention_with(q, k, v, np.array(True)),
                "the weights are exactly 0 where may_attend is False"),
    ),
)  # fmt: skip


# -- heads


def split_cases(draw: np.random.Generator) -> list[Case]:
    """Also with as many heads as tokens, where a wrong order has the right shape."""
    return [
        Case("1 sentence, 3 tokens, 2 heads", (draw.normal(size=(1, 3, 4)), 2)),
        Case("2 sentences, 4 tokens, 4 heads", (draw.normal(size=(2, 4, 12)), 4)),
        Case("1 head", (draw.normal(size=(2, 5, 6)), 1)),
    ]


def split_by_definition(x: ndarray, n_heads: int) -> ndarray:
    """Head i gets columns i d_k to (i + 1) d_k of every token."""
    return np.stack(np.split(x, n_heads, axis=-1), axis=1)


def interleaved(x: ndarray, n_heads: int) -> ndarray:
    """Head i gets columns i, i + h, i + 2 h, .."""
    return np.stack([x[..., i::n_heads] for i in range(n_heads)], axis=1)


def rows_cut(x: ndarray, n_heads: int) -> ndarray:
    """One reshape to the final shape."""
    batch, length, d_model = x.shape
    return x.reshape(batch, n_heads, length, d_model // n_heads)


HEAD_CHECK = "head 0 of token 0 is x[:, 0, :d_k], and nothing of any other token"

SPLIT = Exercise(
    "split_heads", ("heads",), split_cases, split_by_definition,
    (
        Mistake("a reshape without the transpose", rows_cut, HEAD_CHECK),
        Mistake("no transpose, heads behind tokens",
                lambda x, n_heads: x.reshape(*x.shape[:2], n_heads, -1), "the shape is (B, h, T, d_k)"),
        Mistake("columns dealt to the heads in turn", interleaved, HEAD_CHECK),
        Mistake("tokens and columns swapped within a head",
                lambda x, n_heads: split_by_definition(x, n_heads).swapaxes(-2, -1), "the shape is (B, h, T, d_k)"),
    ),
)  # fmt: skip


# -- multi-head attention


def multi_head_cases(draw: np.random.Generator) -> list[Case]:
    """Self-attention and cross-attention with padding; all four matrices are square and have biases."""

    def weights(d_model: int) -> dict[str, ndarray]:
        matrices = {f"W_{name}": draw.normal(size=(d_model, d_model)) / d_model**0.5 for name in "QKVO"}
        return matrices | {f"b_{name}": draw.normal(size=d_model) for name in "QKVO"}

    x, y = draw.normal(size=(2, 4, 8)), draw.normal(size=(2, 6, 8))
    mine = draw.normal(size=(1, 4, 8))
    padding = (np.arange(6) < np.array([[6], [3]]))[:, None, None, :]  # (B, 1, 1, S)
    return [
        Case("self-attention, causal, 4 heads", (mine, mine, weights(8), 4, np.tril(np.ones((4, 4), dtype=bool)))),
        Case("cross-attention, padded keys, 2 heads", (x, y, weights(8), 2, padding)),
        Case("1 head", (x, y, weights(8), 1, padding)),
    ]


def multi_head_by_torch(x: ndarray, y: ndarray, weights: dict, n_heads: int, may_attend: ndarray) -> ndarray:
    """torch.nn.MultiheadAttention's function, in whose mask True means blocked."""
    w = {name: torch.from_numpy(value) for name, value in weights.items()}
    queries, memory = (torch.from_numpy(part).transpose(0, 1) for part in (x, y))  # (T, B, d_model), (S, B, d_model)
    shape = (len(x), n_heads, x.shape[1], y.shape[1])
    blocked = ~torch.from_numpy(np.broadcast_to(may_attend, shape).copy()).flatten(0, 1)  # (B*h, T, S)
    output, _ = F.multi_head_attention_forward(
        queries, memory, memory, x.shape[-1], n_heads, None, torch.cat([w["b_Q"], w["b_K"], w["b_V"]]), None, None,
        False, 0.0, w["W_O"], w["b_O"], training=False, attn_mask=blocked, need_weights=False,
        use_separate_proj_weight=True, q_proj_weight=w["W_Q"], k_proj_weight=w["W_K"], v_proj_weight=w["W_V"],
    )  # fmt: skip
    return output.transpose(0, 1).numpy()


def multi_head_with(
    x: ndarray, y: ndarray, weights: dict, n_heads: int, may_attend: ndarray, *, transposed: bool = True,
    keys_of: str = "y", values_of: str = "y", split: object = split_by_definition, joined: str = "back",
    output: bool = True, biases: bool = True,
) -> ndarray:
    """Equation (5) with its places for mistakes."""

    def linear(z: ndarray, name: str) -> ndarray:
        matrix = weights[f"W_{name}"].T if transposed else weights[f"W_{name}"]
        return z @ matrix + (weights[f"b_{name}"] if biases else 0.0)

    source = {"x": x, "y": y}
    if "x" in (keys_of, values_of) and x.shape != y.shape:
        source["x"] = np.concatenate([x, x], axis=1)[:, : y.shape[1]]
    queries, keys = split(linear(x, "Q"), n_heads), split(linear(source[keys_of], "K"), n_heads)
    heads = attention_with(queries, keys, split(linear(source[values_of], "V"), n_heads), may_attend)  # (B, h, T, d_k)
    if joined == "mean":
        together = np.tile(heads.mean(axis=1), n_heads)
    else:
        together = (heads.swapaxes(1, 2) if joined == "back" else heads).reshape(x.shape)
    return linear(together, "O") if output else together


def mistaken_heads(name: str, check: str, **what: object) -> Mistake:
    """One of `multi_head_with`."""
    return Mistake(name, partial(multi_head_with, **what), check)


MULTI_HEAD = Exercise(
    "multi_head_attention", ("output",), multi_head_cases, multi_head_by_torch,
    (
        mistaken_heads("heads joined without transposing back",
                       "changing token 3 of x leaves row 0 of the output as it was (with a causal mask)", joined="no"),
        mistaken_heads("heads averaged", "the first d_k columns before W^O are head 0's alone", joined="mean"),
        mistaken_heads("a reshape without the transpose in the split", HEAD_CHECK, split=rows_cut),
        mistaken_heads("W in place of its transpose", "row i of W makes column i of the output: y = x W^T + b",
                       transposed=False),
        mistaken_heads("no output matrix", "with W_O = 0 the output is b_O everywhere", output=False),
        mistaken_heads("no biases", "with all matrices 0 the output is b_O everywhere", biases=False),
        Mistake("one head over the whole width",
                lambda x, y, weights, n_heads, may: multi_head_with(x, y, weights, 1, may),
                "there are h maps of weights: print their shape, (B, h, T, S)"),
    ),
)  # fmt: skip

EXERCISES = (SOFTMAX, ATTENTION, SPLIT, MULTI_HEAD)
