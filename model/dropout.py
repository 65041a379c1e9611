"""Dropout: each value is zeroed with probability p and the others are divided by 1 - p (Srivastava et al. 2014).

On a CPU torch draws one random number a value, one after the other: for p = 0.1 that takes 50 times as long as the
multiplication. Here four values' chances are cut out of each 64 random bits of the same generator.
`python -m experiments.speed.dropout_check` trains with both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

LEVELS = 1 << 16  # a chance has 16 bits: p is met to within 1 / 131,072


class DropoutFromBits(nn.Dropout):
    """nn.Dropout whose masks come from raw random bits where the tensor is on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of a tensor of any shape; the shape stays."""
        if self.training and 0 < self.p < 1 and x.device.type == "cpu":
            return FastDropout.apply(x, self.p)
        return super().forward(x)


class FastDropout(torch.autograd.Function):
    """Dropout as x * mask / (1 - p), whose gradient goes through the same mask."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, probability: float) -> Tensor:
        """Drop values of a tensor of any shape; the shape stays."""
        dropped = min(round(probability * LEVELS), LEVELS - 1)  # of the 65,536 values that 16 bits have
        mask = keep_mask(x.shape, dropped)
        ctx.save_for_backward(mask)
        ctx.scale = LEVELS / (LEVELS - dropped)
        # The scale last: a mask of 1 / (1 - p) would be rounded to bfloat16, which is off by up to 0.4%.
        return mask.to(x.dtype).mul_(x).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of the output -> the gradient of x."""
        (mask,) = ctx.saved_tensors
        return mask.to(gradient.dtype).mul_(gradient).mul_(ctx.scale), None


def keep_mask(shape: torch.Size, dropped: int) -> Tensor:
    """A random int16 mask of `shape`, by torch's default generator: 1 with probability 1 - dropped / 65,536, else 0."""
    n_values = shape.numel()
    bits = torch.empty(-(-n_values // 4), dtype=torch.int64).random_(-(2**63), None)  # four values in each
    # ge_ writes into its own int16 numbers: ten times as fast as making booleans of them.
    return bits.view(torch.int16)[:n_values].ge_(dropped - LEVELS // 2).view(shape)
