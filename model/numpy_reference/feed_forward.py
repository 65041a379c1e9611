"""The position-wise feed-forward layer, with and without a gate, forward and backward.

    y = W_2 f(W_1 x + b_1) + b_2            f = ReLU, GELU or Swish (Vaswani et al. 2017, equation (2))
    y = W_2 (f(W_g x) * W_1 x)              f = GELU or SiLU (Shazeer 2020)

With u = W_1 x + b_1 and a = W_g x, and G = W_2^T dL/dy the gradient after the activation:

    dL/du = G * f'(u)                       without a gate
    dL/du = G * f(a)     dL/da = G * u * f'(a)      with one
"""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.linear import Saved, Weights, linear, linear_backward, part, under

erf = np.vectorize(math.erf, otypes=[float])  # NumPy has none of its own


def relu(u: ndarray) -> tuple[ndarray, ndarray]:
    """ReLU, max(u, 0), and its slope, which is taken to be 0 at the kink."""
    return np.maximum(u, 0), (u > 0).astype(u.dtype)


def gelu(u: ndarray) -> tuple[ndarray, ndarray]:
    """GELU, u Phi(u) with the normal distribution function Phi (Hendrycks and Gimpel 2016), and its slope."""
    below = (1 + erf(u / math.sqrt(2)).astype(u.dtype)) / 2
    density = np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
    return u * below, below + u * density


def gelu_tanh(u: ndarray) -> tuple[ndarray, ndarray]:
    """GELU with Phi(u) close to (1 + tanh(z)) / 2, z = sqrt(2/pi) (u + 0.044715 u^3), as T5 v1.1 was trained."""
    root = math.sqrt(2 / math.pi)
    tanh = np.tanh(root * (u + 0.044715 * u**3))
    slope_of_z = root * (1 + 3 * 0.044715 * u**2)
    return u * (1 + tanh) / 2, (1 + tanh) / 2 + u * (1 - tanh**2) * slope_of_z / 2


def silu(u: ndarray) -> tuple[ndarray, ndarray]:
    """SiLU, u s with s = 1 / (1 + exp(-u)), and its slope s (1 + u (1 - s)), for s' = s (1 - s)."""
    s = 1 / (1 + np.exp(-u))
    return u * s, s * (1 + u * (1 - s))


ACTIVATIONS = {
    "relu": relu, "gelu": gelu, "gelu_tanh": gelu_tanh, "swish": silu,
    "geglu": gelu_tanh, "swiglu": silu,
}  # fmt: skip


def feed_forward(x: ndarray, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """Apply the layer at every position: (..., d_model) -> (..., d_model)."""
    u = linear(x, part(weights, "inner"))  # (..., d_ff)
    if config.gated:
        a = linear(x, part(weights, "gate"))  # (..., d_ff)
        active, slope = ACTIVATIONS[config.feed_forward](a)
        hidden = active * u
    else:
        a = None
        active, slope = ACTIVATIONS[config.feed_forward](u)
        hidden = active
    saved = {"x": x, "u": u, "a": a, "active": active, "slope": slope, "hidden": hidden}
    return linear(hidden, part(weights, "outer")), saved


def feed_forward_backward(d_y: ndarray, saved: Saved, weights: Weights) -> tuple[ndarray, Weights, Saved]:
    """dL/dx, the gradients of the two or three matrices and their biases, and d_saved."""
    d_hidden, d_outer = linear_backward(d_y, saved["hidden"], part(weights, "outer"))  # (..., d_ff)
    gradients, d_saved = under("outer", d_outer), {"hidden": d_hidden}

    if saved["a"] is None:
        d_u, d_x_gate = d_hidden * saved["slope"], 0.0
    else:
        d_u = d_hidden * saved["active"]
        d_a = d_hidden * saved["u"] * saved["slope"]
        d_x_gate, d_gate = linear_backward(d_a, saved["x"], part(weights, "gate"))
        gradients |= under("gate", d_gate)
        d_saved["a"] = d_a

    d_x, d_inner = linear_backward(d_u, saved["x"], part(weights, "inner"))
    return d_x + d_x_gate, gradients | under("inner", d_inner), d_saved | {"u": d_u}
