"""The parts of a layer besides attention: normalisation, the feed-forward layer, the residual connection."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from teaching.exercises.exercise import Case, Exercise, Function, mistakes_of

EPSILON = 1e-5


def layer_norm_cases(draw: np.random.Generator) -> list[Case]:
    """Tokens of different size and mean, and one that is nearly constant, where epsilon decides."""

    def case(about: str, x: ndarray) -> Case:
        return Case(about, (x, draw.normal(size=x.shape[-1]) + 1, draw.normal(size=x.shape[-1])))

    tokens = draw.normal(size=(2, 3, 6)) * draw.uniform(0.5, 4, (2, 3, 1)) + 5 * draw.normal(size=(2, 3, 1))
    nearly_constant = draw.normal(size=(1, 2, 4)) * np.array([[1.0], [3e-3]])
    return [
        case("1 token of width 4", draw.normal(size=(1, 1, 4)) + 2), case("2 sentences of 3 tokens, width 6", tokens),
        case("a token that is nearly constant", nearly_constant),
    ]  # fmt: skip


def layer_norm_by_torch(x: ndarray, gain: ndarray, bias: ndarray) -> ndarray:
    """LayerNorm by torch's layer_norm over the last axis."""
    x, gain, bias = (torch.from_numpy(part) for part in (x, gain, bias))
    return F.layer_norm(x, gain.shape, gain, bias, EPSILON).numpy()


def slipped_layer_norm(x: ndarray, gain: ndarray, bias: ndarray, slip: str) -> ndarray:
    """LayerNorm with a known mistake."""
    slip, _, epsilon = slip.partition(", ")
    axis = {"time": 1, "everything": None, "sentence": (1, 2)}.get(slip, -1)
    centred = x if slip == "no mean" else x - x.mean(axis=axis, keepdims=True)
    variance = x.var(axis=axis, keepdims=True)
    if slip == "unbiased":
        variance = x.var(axis=axis, ddof=1, keepdims=True)
    root = np.sqrt(variance)
    sigma = {"outside": root + EPSILON, "none": root}.get(epsilon, np.sqrt(variance + EPSILON))
    if slip == "no root":
        sigma = variance + EPSILON
    x_hat = centred / sigma
    return {"no gain": x_hat, "bias first": gain * (x_hat + bias)}.get(slip, gain * x_hat + bias)


EACH_TOKEN_ALONE = "changing one token changes no other token's result"
BIASED = "with gain 1 and bias 0, y.std(axis=-1), which divides by n, is 1 (nearly, for epsilon)"

LAYER_NORM_SLIPS = [
    ("unbiased", "the unbiased variance, divided by n - 1", BIASED),
    ("unbiased, outside", "the unbiased variance, divided by n - 1", BIASED),
    ("unbiased, none", "the unbiased variance, divided by n - 1", BIASED),
    ("time", "statistics over the tokens in place of the components", EACH_TOKEN_ALONE),
    ("sentence", "one mean and variance for a whole sentence", EACH_TOKEN_ALONE),
    ("everything", "one mean and variance for the whole batch", EACH_TOKEN_ALONE),
    ("biased, outside", "epsilon outside of the root",
     "with gain 1 and bias 0, a token of deviation 0.003 comes out with 0.69, not with 1"),
    ("biased, none", "no epsilon", "a token whose components are all equal gives the bias, not NaN"),
    ("no root", "a division by the variance, without its root", BIASED),
    ("no mean", "no mean subtracted", "with gain 1 and bias 0, y.mean(axis=-1) is 0"),
    ("no gain", "gain and bias left out", "with gain 0, y is the bias"),
    ("bias first", "the bias added before the gain multiplies", "with gain 0, y is the bias"),
]

LAYER_NORM = Exercise(
    "layer_norm", ("y",), layer_norm_cases, layer_norm_by_torch, mistakes_of(slipped_layer_norm, LAYER_NORM_SLIPS)
)


# -- feed-forward


def feed_forward_cases(draw: np.random.Generator) -> list[Case]:
    """Scores on both sides of 0; once as wide inside as outside, where a wrong transpose has the right shape."""

    def case(about: str, shape: tuple[int, ...], d_ff: int) -> Case:
        d_model = shape[-1]
        inner = [2 * draw.normal(size=(d_ff, d_model)) for _ in range(2)]
        return Case(about, (draw.normal(size=shape), *inner, draw.normal(size=(d_model, d_ff))))

    return [case("1 token, width 3, inside 5", (1, 1, 3), 5), case("2 sentences of 4 tokens", (2, 4, 6), 8)]


def feed_forward_by_torch(x: ndarray, w_gate: ndarray, w_inner: ndarray, w_outer: ndarray) -> ndarray:
    """The feed-forward layer by torch's linear and silu."""
    x, gate, inner, outer = (torch.from_numpy(part) for part in (x, w_gate, w_inner, w_outer))
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, inner), outer).numpy()


def slipped_feed_forward(x: ndarray, w_gate: ndarray, w_inner: ndarray, w_outer: ndarray, slip: str) -> ndarray:
    """The gated layer W_2 (SiLU(W_g x) * W_1 x) with a known mistake."""

    def silu(u: ndarray) -> ndarray:
        return u / (1 + np.exp(-u))

    gate, inner = x @ w_gate.T, x @ w_inner.T
    hidden = {
        "other branch": gate * silu(inner), "both": silu(gate) * silu(inner), "sum": silu(gate) + inner,
        "sigmoid": inner / (1 + np.exp(-gate)), "relu": np.maximum(gate, 0) * inner, "after": silu(gate * inner),
        "no gate": silu(inner), "tanh": gate * (1 + np.tanh(gate)) / 2 * inner,
    }[slip]  # fmt: skip
    return hidden @ w_outer.T


GATE_0 = "with W_g = 0 the output is 0"
LINEAR = "doubling W_1 doubles the output: it stands under no activation"

FEED_FORWARD_SLIPS = [
    ("other branch", "the activation on W_1 x, not on the gate", LINEAR),
    ("both", "the activation on both branches", LINEAR),
    ("after", "the activation after the product", LINEAR),
    ("sum", "a sum in place of the product", GATE_0),
    ("sigmoid", "the sigmoid alone in place of SiLU, u times the sigmoid", GATE_0 + "; sigmoid(0) is 0.5"),
    ("relu", "ReLU in place of SiLU", "a gate of -1 gives SiLU(-1) = -0.269, not 0"),
    ("tanh", "a sigmoid of twice the number", "SiLU(1) = 0.731"),
    ("no gate", "no gate", "doubling W_g changes the output"),
]

FEED_FORWARD = Exercise(
    "gated_feed_forward", ("y",), feed_forward_cases, feed_forward_by_torch,
    mistakes_of(slipped_feed_forward, FEED_FORWARD_SLIPS),
)  # fmt: skip


# -- residual connection


def residual_cases(draw: np.random.Generator) -> list[Case]:
    """A sublayer and a norm with random weights, before and after."""

    def case(about: str, shape: tuple[int, ...], pre_norm: bool) -> Case:
        d_model = shape[-1]
        matrix = draw.normal(size=(d_model, d_model))
        gain, bias = draw.normal(size=d_model) + 1, draw.normal(size=d_model)

        def sublayer(x: ndarray) -> ndarray:
            return np.tanh(x @ matrix.T)

        def norm(x: ndarray) -> ndarray:
            return layer_norm_by_torch(x, gain, bias)

        return Case(about, (3 * draw.normal(size=shape) + 1, sublayer, norm, pre_norm))

    return [
        case("post-norm, 1 token", (1, 1, 4), False), case("pre-norm, 1 token", (1, 1, 4), True),
        case("post-norm, 2 sentences", (2, 3, 5), False), case("pre-norm, 2 sentences", (2, 3, 5), True),
    ]  # fmt: skip


def residual_by_definition(x: ndarray, sublayer: Function, norm: Function, pre_norm: bool) -> ndarray:
    """The residual connection, token by token."""
    y = np.empty_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            token = x[b : b + 1, t : t + 1]
            y[b, t] = (token + sublayer(norm(token)) if pre_norm else norm(token + sublayer(token)))[0, 0]
    return y


def slipped_residual(x: ndarray, sublayer: Function, norm: Function, pre_norm: bool, slip: str) -> ndarray:
    """The residual connection with a known mistake."""
    pre, post = x + sublayer(norm(x)), norm(x + sublayer(x))
    return {
        "always pre": pre, "always post": post, "swapped": post if pre_norm else pre,
        "normed path": norm(x) + sublayer(norm(x)) if pre_norm else post,
        "inside": x + norm(sublayer(x)), "no sum": sublayer(norm(x)) if pre_norm else norm(sublayer(x)),
        "twice": norm(pre) if pre_norm else post,
    }[slip]  # fmt: skip


PATH = "in pre-norm, a sublayer that gives 0 leaves x exactly as it was"
LAST = "in post-norm, what comes out has gone through the norm last: norm gives gain * x_hat + bias"

RESIDUAL_SLIPS = [
    ("always pre", "pre-norm in both places", LAST),
    ("always post", "post-norm in both places", PATH),
    ("swapped", "pre-norm and post-norm exchanged", LAST + "; " + PATH),
    ("normed path", "the normalised x carried past the sublayer in pre-norm", PATH),
    ("inside", "the norm on the sublayer's output alone", LAST + "; " + PATH),
    ("no sum", "no residual connection", PATH),
    ("twice", "a second norm after the sum in pre-norm", PATH),
]

RESIDUAL = Exercise(
    "residual", ("y",), residual_cases, residual_by_definition, mistakes_of(slipped_residual, RESIDUAL_SLIPS)
)

EXERCISES = (LAYER_NORM, FEED_FORWARD, RESIDUAL)
