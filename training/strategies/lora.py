"""LoRA, for comparison (Hu et al. 2022): the pretrained weights are frozen, and low-rank updates of them are learnt.

    W x + (alpha / r) B A x        A (r, d_in) random, B (d_out, r) zero at the start, so nothing is changed at first

As in the paper, W are the query and the value projections of every attention (4.2), and A is drawn from a normal
distribution. All else is frozen, but for heads that the network it begins with (`--init.from`) has not. After training
B A is added to W: the network has its old shape, and costs no more.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from model.attention import MultiHeadAttention
from model.transformer import Transformer

ADAPTED_PROJECTIONS = ("query", "value")


class LowRankUpdate(nn.Module):
    """The low-rank update of one matrix, (alpha / r) B A."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        d_out, d_in = weight.shape
        self.a = nn.Parameter(torch.randn(rank, d_in, device=weight.device) / rank)
        self.b = nn.Parameter(torch.zeros(d_out, rank, device=weight.device))
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        """W (d_out, d_in) -> W + (alpha / r) B A."""
        return weight + self.scale * self.b @ self.a


def adapted_layers(model: Transformer) -> list[nn.Linear]:
    """The linear layers whose matrices get an update: queries and values of every attention."""
    attentions = [module for module in model.modules() if isinstance(module, MultiHeadAttention)]
    return [getattr(attention, name) for attention in attentions for name in ADAPTED_PROJECTIONS]


def add_lora(model: Transformer, rank: int, alpha: float, new_heads: Iterable[str] = ()) -> None:
    """Freeze the network but for its new heads, and give its query and value matrices low-rank updates."""
    model.requires_grad_(False)
    for head in new_heads:
        model.get_submodule(head).requires_grad_(True)
    for layer in adapted_layers(model):
        parametrize.register_parametrization(layer, "weight", LowRankUpdate(layer.weight, rank, alpha))


def merge_lora(model: Transformer) -> None:
    """Add the learnt updates to the weights, and let all weights learn again."""
    for layer in adapted_layers(model):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    model.requires_grad_(True)
