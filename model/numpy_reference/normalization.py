"""LayerNorm and RMSNorm over each token's vector, forward and backward.

    x_hat = (x - mean(x)) / sqrt(var(x) + eps)       y = gain * x_hat + bias       LayerNorm, Ba et al. 2016
    x_hat = x / sqrt(mean(x^2) + eps)                y = gain * x_hat              RMSNorm, Zhang and Sennrich 2019

Every x_i moves y on three paths: directly, through the mean, through the variance. With g = gain * dL/dy and
sigma the root in the denominator they add up to

    dL/dx = (g - mean(g) - x_hat * mean(g * x_hat)) / sigma             LayerNorm
    dL/dx = (g           - x_hat * mean(g * x_hat)) / sigma             RMSNorm, which has no mean

so LayerNorm takes out of g what points along (1, .., 1) and along x_hat: directions in which x_hat cannot move.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.linear import Saved, Weights


def norm(x: ndarray, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """The normalisation that the configuration asks for: (..., d_model) -> (..., d_model)."""
    centred = x - x.mean(axis=-1, keepdims=True) if config.norm == "layer" else x
    sigma = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + config.norm_epsilon)  # (..., 1)
    x_hat = centred / sigma
    y = weights["gain"] * x_hat
    if "bias" in weights:
        y = y + weights["bias"]
    return y, {"x": x, "x_hat": x_hat, "sigma": sigma}


def norm_backward(d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig) -> tuple[ndarray, Weights]:
    """dL/dx and the gradients of gain and bias, summed over all tokens."""
    x_hat, width = saved["x_hat"], d_y.shape[-1]
    gradients = {"gain": (d_y * x_hat).reshape(-1, width).sum(axis=0)}
    if "bias" in weights:
        gradients["bias"] = d_y.reshape(-1, width).sum(axis=0)

    g = weights["gain"] * d_y  # dL/dx_hat
    d_x = g - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)
    if config.norm == "layer":
        d_x = d_x - g.mean(axis=-1, keepdims=True)
    return d_x / saved["sigma"], gradients
