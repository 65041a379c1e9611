"""Normalisation of each token's vector: LayerNorm and RMSNorm, and no more.

    LayerNorm(x) = (x - mean(x)) / sqrt(var(x) + eps) * gain + bias      Ba, Kiros and Hinton 2016, section 3
    RMSNorm(x)   = x / sqrt(mean(x^2) + eps) * gain                      Zhang and Sennrich 2019, equation (4)

Mean and variance run over the last axis, d_model, of each position alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig


class LayerNorm(nn.Module):
    """LayerNorm with an optional bias."""

    def __init__(self, d_model: int, epsilon: float, bias: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each position's vector: (..., d_model) -> (..., d_model)."""
        return F.layer_norm(x, self.gain.shape, self.gain, self.bias, self.epsilon)


class RMSNorm(nn.Module):
    """RMSNorm, which subtracts no mean and has no bias."""

    def __init__(self, d_model: int, epsilon: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each position's vector: (..., d_model) -> (..., d_model)."""
        return F.rms_norm(x, self.gain.shape, self.gain, self.epsilon)


def make_norm(config: ModelConfig) -> nn.Module:
    """The normalisation that the configuration asks for."""
    if config.norm == "none":
        return nn.Identity()
    if config.norm == "rms":
        return RMSNorm(config.d_model, config.norm_epsilon)
    return LayerNorm(config.d_model, config.norm_epsilon, config.biases)
