"""Equation (4) in one kernel, equal to the written-out form of model/attention.py to rounding."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.attention import MultiHeadAttention, is_watched
from model.dropout import FastDropout


class FusedAttention(MultiHeadAttention):
    """Multi-head attention with equation (4) in one kernel, which returns no weights.

    It has no steps to show: where a hook is on `see`, equation (4) is written out.
    """

    def attend(
        self, queries: Tensor, keys: Tensor, values: Tensor, may_attend: Tensor | None, bias: Tensor | None,
        causal: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """As in `MultiHeadAttention`."""
        if is_watched(self.see):
            return super().attend(queries, keys, values, may_attend, bias, causal)
        dropout = self.dropout if self.training else 0.0
        return fused_attention(queries, keys, values, may_attend, bias, self.scale, dropout, causal), None


def fused_attention(
    queries: Tensor, keys: Tensor, values: Tensor, may_attend: Tensor | None, bias: Tensor | None, scale: float,
    dropout: float = 0.0, causal: bool = False,
) -> Tensor:
    """Equation (4) in one kernel that never stores the (T, S) weights.

    `causal` says that `may_attend` is None and that a query sees the keys up to its own position. On a CPU the kernel
    cannot drop weights; there two batched products take its place while weights are dropped.
    """
    mask = may_attend if bias is None else bias.to(queries.dtype)
    if may_attend is not None:
        lowest = torch.finfo(queries.dtype).min
        mask = torch.zeros((), dtype=queries.dtype, device=queries.device) if bias is None else mask
        mask = torch.where(may_attend, mask, lowest)  # (B or 1, h or 1, T or 1, S)
    if dropout and queries.device.type == "cpu":
        output = batched_attention(queries, keys, values, mask, scale, dropout, causal)  # (B, h, T, d_k)
    else:
        output = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, dropout_p=dropout, is_causal=causal, scale=scale
        )  # (B, h, T, d_k)
    if may_attend is not None:
        # A product, not masked_fill, which takes eight times as long; without -inf there is no NaN to hide.
        output = output * may_attend.any(dim=-1, keepdim=True).to(output.dtype)
    return output


def batched_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float, dropout: float, causal: bool
) -> Tensor:
    """Equation (4) as one product for the scores of all examples and heads and one for the outputs.

    `mask` is added to the scores. Shapes as in `fused_attention`.
    """
    shape = (*queries.shape[:3], keys.shape[2])  # (B, h, T, S)
    queries, keys, values = (part.flatten(0, 1) for part in (queries, keys, values))  # (B*h, T or S, d_k)
    scores = torch.baddbmm(queries.new_zeros(1), queries, keys.transpose(1, 2), beta=0, alpha=scale)  # (B*h, T, S)
    if causal:
        mask = torch.full(shape[2:], torch.finfo(scores.dtype).min, dtype=scores.dtype).triu(1)  # (T, T)
    if mask is not None:
        scores.view(shape).add_(mask)
    weights = FastDropout.apply(scores.softmax(dim=-1), dropout)  # (B*h, T, S)
    return (weights @ values).unflatten(0, shape[:2])  # (B, h, T, d_k)
