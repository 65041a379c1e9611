"""Heads and equation (5) of chapter 4.1."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, mistakes_of
from teaching.exercises.topics.attention import padding_mask, slipped_attention


def split_cases(draw: np.random.Generator) -> list[Case]:
    """Inputs of several sizes, also with as many heads as tokens, where a wrong order has the right shape."""
    return [
        Case("1 sentence, 3 tokens, 2 heads", (draw.normal(size=(1, 3, 4)), 2)),
        Case("2 sentences, 4 tokens, 4 heads", (draw.normal(size=(2, 4, 12)), 4)),
        Case("1 head", (draw.normal(size=(2, 5, 6)), 1)),
    ]


def split_by_definition(x: ndarray, n_heads: int) -> ndarray:
    """The split into heads: head i gets columns i d_k to (i + 1) d_k of every token."""
    return np.stack(np.split(x, n_heads, axis=-1), axis=1)


def slipped_split(x: ndarray, n_heads: int, slip: str) -> ndarray:
    """The split into heads with a known mistake."""
    batch, length, d_model = x.shape
    if slip == "reshape":
        return x.reshape(batch, n_heads, length, d_model // n_heads)
    if slip == "no transpose":
        return x.reshape(batch, length, n_heads, d_model // n_heads)
    if slip == "dealt":
        return np.stack([x[..., i::n_heads] for i in range(n_heads)], axis=1)
    return split_by_definition(x, n_heads).swapaxes(-2, -1)


HEAD_0 = "head 0 of token 0 is x[:, 0, :d_k], and nothing of any other token"
SHAPE = "the shape is (B, h, T, d_k)"

SPLIT_SLIPS = [
    ("reshape", "a reshape without the transpose", HEAD_0),
    ("no transpose", "no transpose, so that heads stand behind tokens", SHAPE),
    ("dealt", "columns dealt to the heads in turn", HEAD_0),
    ("swapped", "tokens and columns swapped within a head", SHAPE),
]

SPLIT_HEADS = Exercise(
    "split_heads", ("heads",), split_cases, split_by_definition, mistakes_of(slipped_split, SPLIT_SLIPS)
)


# -- multi-head attention


def multi_head_cases(draw: np.random.Generator) -> list[Case]:
    """Self-attention and cross-attention with padding; all four matrices are square and have biases."""

    def weights(d_model: int) -> dict[str, ndarray]:
        matrices = {f"W_{name}": 1.5 * draw.normal(size=(d_model, d_model)) / d_model**0.5 for name in "QKVO"}
        return matrices | {f"b_{name}": draw.normal(size=d_model) for name in "QKVO"}

    x, y, alone = draw.normal(size=(2, 4, 8)), draw.normal(size=(2, 6, 8)), draw.normal(size=(1, 4, 8))
    causal, padding = np.tril(np.ones((4, 4), dtype=bool)), padding_mask([6, 3], 6)
    return [
        Case("self-attention, causal, 4 heads", (alone, alone, weights(8), 4, causal)),
        Case("cross-attention, padded keys, 2 heads", (x, y, weights(8), 2, padding)),
        Case("1 head", (x, y, weights(8), 1, padding)),
    ]


def multi_head_by_torch(x: ndarray, y: ndarray, weights: dict, n_heads: int, may_attend: ndarray) -> ndarray:
    """The function of torch.nn.MultiheadAttention, in whose mask True means blocked."""
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


def slipped_multi_head(
    x: ndarray, y: ndarray, weights: dict, n_heads: int, may_attend: ndarray, slip: str
) -> ndarray:
    """Equation (5) with a known mistake."""

    def linear(z: ndarray, name: str) -> ndarray:
        matrix = weights[f"W_{name}"] if slip == "not transposed" else weights[f"W_{name}"].T
        return z @ matrix + (0.0 if slip == "no biases" else weights[f"b_{name}"])

    def split(z: ndarray) -> ndarray:
        if slip == "split":
            return slipped_split(z, n_heads, "reshape")
        return split_by_definition(z, 1 if slip == "one head" else n_heads)

    queries, keys, values = split(linear(x, "Q")), split(linear(y, "K")), split(linear(y, "V"))
    if slip == "values":
        values = keys
    heads = slipped_attention(queries, keys, values, may_attend)  # (B, h, T, d_k)
    joined = (heads if slip == "join" else heads.swapaxes(1, 2)).reshape(x.shape)
    if slip == "mean":
        joined = np.tile(heads.mean(axis=1), n_heads)
    return joined if slip == "no output" else linear(joined, "O")


MULTI_HEAD_SLIPS = [
    ("join", "heads joined without transposing back",
     "under a causal mask, changing the last token of x and y leaves row 0 of the output as it was"),
    ("split", "a reshape without the transpose in the split", HEAD_0),
    ("mean", "heads averaged, not joined", "the first d_k columns before W_O are head 0's alone"),
    ("one head", "one head over the whole width", "there are h maps of weights: print their shape, (B, h, T, S)"),
    ("not transposed", "W in place of its transpose", "row i of W makes column i of the result: y = x W^T + b"),
    ("values", "keys given as values", "with W_V = 0 the heads are b_V everywhere"),
    ("no output", "no output matrix", "with W_O = 0 the output is b_O everywhere"),
    ("no biases", "no biases", "with all four matrices 0 the output is b_O everywhere"),
]  # fmt: skip

MULTI_HEAD = Exercise(
    "multi_head_attention", ("output",), multi_head_cases, multi_head_by_torch,
    mistakes_of(slipped_multi_head, MULTI_HEAD_SLIPS),
)  # fmt: skip

EXERCISES = (SPLIT_HEADS, MULTI_HEAD)
