"""Backward passes of what a layer is made of; the truth is PyTorch's autograd."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from experiments.exercises.exercise import Case, Exercise, Mistake

EPSILON = 1e-5


def gradients(function: object, d_output: ndarray, *inputs: ndarray) -> tuple[ndarray, ...]:
    """Autograd: dL/d of each input, for an L whose gradient with respect to the function's output is `d_output`."""
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    return tuple(g.numpy() for g in torch.autograd.grad(function(*leaves), leaves, torch.from_numpy(d_output)))


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
    """Of torch's layer_norm, with any bias: its gradient does not depend on it."""
    bias = np.zeros_like(gain)
    return gradients(lambda x, gain, bias: F.layer_norm(x, gain.shape, gain, bias, EPSILON), d_y, x, gain, bias)


def layer_norm_backward_with(
    d_y: ndarray, x: ndarray, gain: ndarray, *, mean: bool = True, variance: bool = True, scaled: bool = True,
    divided: bool = True, axis: int = -1, over: str = "x_hat",
) -> tuple[ndarray, ndarray, ndarray]:
    """The projection form with its places for mistakes."""
    sigma = np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / sigma
    g = gain * d_y if scaled else d_y
    d_x = g - (g.mean(axis=axis, keepdims=True) if mean else 0)
    d_x = d_x - (x_hat * (g * x_hat).mean(axis=axis, keepdims=True) if variance else 0)
    tokens = tuple(range(x.ndim - 1))
    d_gain = (d_y * (x_hat if over == "x_hat" else x)).sum(axis=tokens)
    return d_x / sigma if divided else d_x, d_gain, d_y.sum(axis=tokens)


def mean_over_tokens(d_y: ndarray, x: ndarray, gain: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """The gradients of gain and bias averaged in place of added."""
    d_x, d_gain, d_bias = layer_norm_backward_with(d_y, x, gain)
    n_tokens = x.size // x.shape[-1]
    return d_x, d_gain / n_tokens, d_bias / n_tokens


def each_token(d_y: ndarray, x: ndarray, gain: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """The gradients of gain and bias of each token, not added."""
    x_hat = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
    return layer_norm_backward_with(d_y, x, gain)[0], d_y * x_hat, d_y


def mistaken_norm(name: str, check: str, **what: object) -> Mistake:
    """One of `layer_norm_backward_with`."""
    return Mistake(name, partial(layer_norm_backward_with, **what), check)


ALONG_ONES = "d_x.sum(axis=-1) is 0: adding the same number to all of x moves nothing"
ALONG_X = "(d_x * x_hat).sum(axis=-1) is nearly 0: stretching x moves nothing"

LAYER_NORM_BACKWARD = Exercise(
    "layer_norm_backward", ("d_x", "d_gain", "d_bias"), layer_norm_cases, layer_norm_by_autograd,
    (
        mistaken_norm("mean and variance taken as constants", f"{ALONG_ONES}, and {ALONG_X}", mean=False,
                      variance=False),
        mistaken_norm("the path through the mean left out", ALONG_ONES, mean=False),
        mistaken_norm("the path through the variance left out", ALONG_X, variance=False),
        mistaken_norm("the gain forgotten on the way to x_hat", "doubling the gain doubles d_x", scaled=False),
        mistaken_norm("no division by sigma", "doubling x halves d_x (nearly, for epsilon)", divided=False),
        mistaken_norm("x in place of x_hat in the gain's gradient",
                      "adding 10 to all of x leaves the gain's gradient as it was", over="x"),
        Mistake("tokens averaged, not added", mean_over_tokens,
                "the same two sentences given twice double d_gain and d_bias"),
        Mistake("gain and bias with a gradient for each token", each_token, "d_gain has the gain's shape, (d_model)"),
    ),
)  # fmt: skip

EXERCISES = (LAYER_NORM_BACKWARD,)
