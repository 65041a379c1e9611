"""A linear layer, y = x W^T + b, in the form that runs fastest on a CPU; the plain form is `nn.Linear`.

The same products are a convolution of width one over a row of positions, and PyTorch gives convolutions to oneDNN where
it gives matrix products to MKL. oneDNN uses all that the processor has; MKL holds back on processors that are not
Intel's. docs/performance.md has the figures.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEWEST_ROWS = 64  # with fewer, starting a convolution costs more than it saves
FEWEST_WITHOUT_GRADIENT = 4  # rows from which oneDNN's own product, which has no gradient, is faster than MKL's


class FastLinear(nn.Linear):
    """nn.Linear whose products go to oneDNN where that is faster. The results are equal to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer: (..., d_in) -> (..., d_out)."""
        if suits_onednn(x):
            n_rows = x.numel() // self.in_features
            if not torch.is_grad_enabled() and n_rows >= FEWEST_WITHOUT_GRADIENT:
                return onednn_linear(x, self.weight, self.bias)
            if n_rows >= FEWEST_ROWS:
                return linear_as_convolution(x, self.weight, self.bias)
        return F.linear(x, self.weight, self.bias)


def linear_as_convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b as a 1 x 1 convolution: x (..., d_in), weight (d_out, d_in) -> (..., d_out)."""
    d_out, d_in = weight.shape
    # Positions are the pixels of one picture, numbers the channels; seen as channels-last nothing is copied.
    pixels = x.reshape(1, 1, -1, d_in).permute(0, 3, 1, 2)  # (1, d_in, 1, N)
    y = F.conv2d(pixels, weight.view(d_out, d_in, 1, 1), bias)  # (1, d_out, 1, N)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], d_out)


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b without a gradient: the operation that torch's own compiler calls. (..., d_in) -> (..., d_out)."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def suits_onednn(x: Tensor) -> bool:
    """Whether oneDNN is faster for this input: float32, not under autocast, on a CPU with AVX-512."""
    is_float32 = x.dtype == torch.float32 and x.device.type == "cpu"
    return is_float32 and has_wide_onednn() and not torch.is_autocast_enabled("cpu")


def has_onednn() -> bool:
    """Whether this torch has oneDNN."""
    return torch.backends.mkldnn.is_available()


@functools.cache
def has_wide_onednn() -> bool:
    """Whether oneDNN is there and the CPU has AVX-512: without it MKL and oneDNN use the same instructions."""
    return has_onednn() and torch.backends.cpu.get_cpu_capability() == "AVX512"
