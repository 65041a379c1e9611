"""The position-wise feed-forward layer: the same two or three matrices at every position.

    FFN(x)    = W_2 f(W_1 x + b_1) + b_2                 Vaswani et al. 2017, equation (2); f = ReLU, GELU or Swish
    FFN_G(x)  = W_2 (f(W_g x) * W_1 x)                   Shazeer 2020; f = GELU (GEGLU) or SiLU (SwiGLU)
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig


class FeedForward(nn.Module):
    """The feed-forward layer, d_model -> d_ff -> d_model, with or without a gate."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.variant = config.feed_forward
        self.gate = nn.Linear(config.d_model, config.d_ff, config.biases) if config.gated else None  # W_g
        self.inner = nn.Linear(config.d_model, config.d_ff, config.biases)  # W_1
        self.outer = nn.Linear(config.d_ff, config.d_model, config.biases)  # W_2
        self.dropout = nn.Dropout(config.dropout_feed_forward)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer at every position: (..., d_model) -> (..., d_model)."""
        hidden = self.inner(x)  # (..., d_ff)
        gate = None if self.gate is None else self.gate(x)  # (..., d_ff)
        hidden = self.activate(hidden, gate)
        return self.outer(self.dropout(hidden))

    def activate(self, hidden: Tensor, gate: Tensor | None) -> Tensor:
        """The activation f(hidden), or f(gate) * hidden where there is a gate: (..., d_ff) each -> (..., d_ff)."""
        if self.variant == "relu":
            return F.relu(hidden)
        if self.variant == "gelu":
            return F.gelu(hidden)
        if self.variant == "gelu_tanh":
            return F.gelu(hidden, approximate="tanh")
        if self.variant == "swish":
            return F.silu(hidden)
        if self.variant == "geglu":
            # T5 v1.1 was trained with the tanh approximation of GELU.
            return F.gelu(gate, approximate="tanh") * hidden
        return F.silu(gate) * hidden
