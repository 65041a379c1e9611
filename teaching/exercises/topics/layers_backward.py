"""Backward passes of the linear map and of LayerNorm; the truth is PyTorch's autograd."""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, mistakes_of
from teaching.exercises.topics.autograd import gradients

EPSILON = 1e-5


def linear_cases(draw: np.random.Generator) -> list[Case]:
    """Square matrices: a forgotten transpose has the right shape, and must be found by its numbers."""

    def case(about: str, *shape: int) -> Case:
        width = shape[-1]
        return Case(about, (draw.normal(size=shape), draw.normal(size=shape), draw.normal(size=(width, width))))

    return [case("1 token of width 3", 1, 1, 3), case("2 sentences of 4 tokens, width 5", 2, 4, 5)]


def linear_by_autograd(d_y: ndarray, x: ndarray, weight: ndarray) -> tuple[ndarray, ...]:
    """The gradients of torch's linear, with any bias, as they do not depend on it."""
    return gradients(F.linear, d_y, x, weight, np.zeros(len(weight)))


def slipped_linear_backward(
    d_y: ndarray, x: ndarray, weight: ndarray, slip: str
) -> tuple[ndarray, ndarray, ndarray]:
    """The three gradients of the linear map with a known mistake."""
    d_x = d_y @ (weight.T if slip == "transposed" else weight)
    d_weight, d_bias = np.einsum("bto,bti->oi", d_y, x), d_y.sum(axis=(0, 1))
    if slip == "weight transposed":
        return d_x, d_weight.T, d_bias
    if slip == "mean":
        return d_x, d_weight / (d_y.shape[0] * d_y.shape[1]), d_y.mean(axis=(0, 1))
    if slip == "batch mean":
        return d_x, d_weight / len(d_y), d_bias / len(d_y)
    if slip == "each sentence":
        return d_x, np.einsum("bto,bti->boi", d_y, x), d_y.sum(axis=1)
    if slip == "last":
        return d_x, d_y[-1].T @ x[-1], d_y[-1].sum(axis=0)
    return d_x, d_weight, d_bias


LINEAR_SLIPS = [
    ("transposed", "W transposed in dL/dx", "dx_i is the sum over o of dy_o W[o, i]"),
    ("weight transposed", "dL/dW transposed", "dL/dW[o, i] is the sum over tokens of dy_o x_i, of the shape of W"),
    ("mean", "tokens averaged, not added", "the same tokens given twice double dL/dW"),
    ("batch mean", "sentences averaged, not added", "the same sentences given twice double dL/dW"),
    ("each sentence", "a gradient for each sentence", "dL/dW has the shape of W"),
    ("last", "the last sentence alone", "changing d_y of the first sentence changes dL/dW"),
]

LINEAR_BACKWARD = Exercise(
    "linear_backward", ("d_x", "d_W", "d_b"), linear_cases, linear_by_autograd,
    mistakes_of(slipped_linear_backward, LINEAR_SLIPS),
)  # fmt: skip


# -- LayerNorm


def layer_norm_cases(draw: np.random.Generator) -> list[Case]:
    """Random gains and gradients: with gain 1 and a constant gradient every answer would be 0."""

    def case(about: str, *shape: int) -> Case:
        x = 2 * draw.normal(size=shape) + 3 * draw.normal(size=(*shape[:-1], 1))
        return Case(about, (draw.normal(size=shape) + 0.5, x, draw.normal(size=shape[-1]) + 1))

    return [
        case("1 token of width 4", 1, 1, 4), case("2 sentences of 3 tokens, width 5", 2, 3, 5),
        case("4 tokens of width 4", 1, 4, 4),
    ]  # fmt: skip


def layer_norm_by_autograd(d_y: ndarray, x: ndarray, gain: ndarray) -> tuple[ndarray, ...]:
    """The gradients of torch's layer_norm, with any bias, as they do not depend on it."""
    bias = np.zeros_like(gain)
    return gradients(lambda x, gain, bias: F.layer_norm(x, gain.shape, gain, bias, EPSILON), d_y, x, gain, bias)


def slipped_layer_norm_backward(
    d_y: ndarray, x: ndarray, gain: ndarray, slip: str
) -> tuple[ndarray, ndarray, ndarray]:
    """The backward of LayerNorm with a known mistake."""
    sigma = np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / sigma
    g = d_y if slip == "no gain" else gain * d_y
    d_x = g
    if slip not in ("constants", "no mean"):
        d_x = d_x - g.mean(axis=-1, keepdims=True)
    if slip not in ("constants", "no variance"):
        d_x = d_x - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)
    d_x = d_x if slip == "no sigma" else d_x / sigma
    d_gain, d_bias = d_y * (x if slip == "x" else x_hat), d_y
    if slip == "each token":
        return d_x, d_gain, d_bias
    if slip == "mean over tokens":
        return d_x, d_gain.mean(axis=(0, 1)), d_bias.mean(axis=(0, 1))
    return d_x, d_gain.sum(axis=(0, 1)), d_bias.sum(axis=(0, 1))


ALONG_ONES = "d_x.sum(axis=-1) is 0: adding the same number to all of x moves nothing"
ALONG_X = "(d_x * x_hat).sum(axis=-1) is nearly 0: stretching x about its mean moves nothing"

LAYER_NORM_BACKWARD_SLIPS = [
    ("constants", "mean and variance taken as constants", f"{ALONG_ONES}, and {ALONG_X}"),
    ("no mean", "the path through the mean left out", ALONG_ONES),
    ("no variance", "the path through the variance left out", ALONG_X),
    ("no gain", "the gain forgotten on the way to x_hat", "doubling the gain doubles d_x"),
    ("no sigma", "no division by sigma", "doubling x halves d_x (nearly, for epsilon)"),
    ("x", "x in place of x_hat in the gain's gradient", "adding 10 to all of x leaves d_gain as it was"),
    ("mean over tokens", "tokens averaged, not added", "the same two sentences given twice double d_gain and d_bias"),
    ("each token", "gain and bias with a gradient for each token", "d_gain has the gain's shape, (d_model)"),
]

LAYER_NORM_BACKWARD = Exercise(
    "layer_norm_backward", ("d_x", "d_gain", "d_bias"), layer_norm_cases, layer_norm_by_autograd,
    mistakes_of(slipped_layer_norm_backward, LAYER_NORM_BACKWARD_SLIPS),
)  # fmt: skip

EXERCISES = (LINEAR_BACKWARD, LAYER_NORM_BACKWARD)
