"""LoRA, for comparison (Hu et al. 2022): the pretrained weights stay, a product of two thin matrices is learnt beside.

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

ADAPTED = ("query", "value")


class Addition(nn.Module):
    """What stands beside one matrix."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        d_out, d_in = weight.shape
        self.a = nn.Parameter(torch.randn(rank, d_in, device=weight.device) / rank)
        self.b = nn.Parameter(torch.zeros(d_out, rank, device=weight.device))
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        """(d_out, d_in) -> the same with the product added."""
        return weight + self.scale * self.b @ self.a


def adapted(model: Transformer) -> list[nn.Linear]:
    """The layers whose matrices have something beside them."""
    attentions = [module for module in model.modules() if isinstance(module, MultiHeadAttention)]
    return [getattr(attention, name) for attention in attentions for name in ADAPTED]


def add_lora(model: Transformer, rank: int, alpha: float, new_heads: Iterable[str] = ()) -> None:
    """Freeze the network but for its new heads, and put thin matrices beside its queries' and values' weights."""
    model.requires_grad_(False)
    for head in new_heads:
        model.get_submodule(head).requires_grad_(True)
    for layer in adapted(model):
        parametrize.register_parametrization(layer, "weight", Addition(layer.weight, rank, alpha))


def merge_lora(model: Transformer) -> None:
    """Add what was learnt to the weights, and let all of them learn again."""
    for layer in adapted(model):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    model.requires_grad_(True)
