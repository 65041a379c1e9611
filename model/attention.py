"""Attention, equations (4) and (5) of chapter 4.1, and the cache that decoding needs.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V                            (4)
    MultiHead(Q, K, V) = Concat(head_1, .., head_h) W^O,
        head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)                            (5)

Q, K, V are `queries, keys, values`, (B, h, T or S, d_k). The h matrices W_i^Q stand side by side in one matrix, so
that one product projects for all heads; the same for W^K and W^V. Masks are boolean, True means *may attend*. A query
that may attend to nothing gives zeros in (4), and so only the bias of W^O, where there is one, in (5).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig
from model.positions import Order, rotate


class HookPoint(nn.Module):
    """The identity on a named tensor: a forward hook on it sees tensors that no other module returns."""

    def forward(self, name: str, tensor: Tensor) -> Tensor:
        """Any shape -> the same tensor."""
        return tensor


def is_watched(module: nn.Module) -> bool:
    """Whether a module has forward hooks, which see or change what goes into it or comes out."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def written_out_attention(
    queries: Tensor, keys: Tensor, values: Tensor, may_attend: Tensor | None, bias: Tensor | None, scale: float,
    dropout: float = 0.0, see: Callable[[str, Tensor], Tensor] = lambda name, step: step,
) -> tuple[Tensor, Tensor]:
    """Equation (4), step by step. Returns the heads' outputs (B, h, T, d_k) and the weights (B, h, T, S).

    What `see(name, step)` returns takes the place of the scores before the mask, of the weights, of the outputs.
    """
    scores = queries @ keys.transpose(-2, -1) * scale  # (B, h, T, S)
    if bias is not None:
        scores = scores + bias
    scores = see("scores", scores)
    blocked = torch.zeros((), dtype=torch.bool, device=scores.device) if may_attend is None else ~may_attend
    # The lowest finite number, not -inf: a row of -inf would make NaN in softmax and in its gradient.
    scores = scores.masked_fill(blocked, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)  # (B, h, T, S)
    weights = see("weights", weights.masked_fill(blocked, 0.0))  # zeros for a query that may attend to nothing
    return see("heads", F.dropout(weights, dropout) @ values), weights


def causal_mask(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """The mask in which a query sees the keys up to its own position: (T), (S) -> (T, S), True means may attend."""
    return key_positions[None, :] <= query_positions[:, None]


class MultiHeadAttention(nn.Module):
    """Multi-head attention, equation (5)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        width = config.n_heads * config.d_k  # of all heads side by side; d_model unless d_kv says otherwise
        self.query = nn.Linear(config.d_model, width, config.biases)  # W^Q of all heads
        self.key = nn.Linear(config.d_model, width, config.biases)  # W^K
        self.value = nn.Linear(config.d_model, width, config.biases)  # W^V
        self.output = nn.Linear(width, config.d_model, config.biases)  # W^O
        self.scale = 1 / math.sqrt(config.d_k) if config.scale_attention else 1.0
        self.dropout = config.dropout_attention
        self.see = HookPoint()  # is shown every step of equation (4)

    def split(self, x: Tensor) -> Tensor:
        """Split the last axis into heads: (B, T, h * d_k) -> (B, h, T, d_k)."""
        batch, length, width = x.shape
        return x.view(batch, length, self.n_heads, width // self.n_heads).transpose(1, 2)

    def keys_and_values(self, x: Tensor, order: Order = Order()) -> tuple[Tensor, Tensor]:
        """Project the vectors that are attended to: (B, S, d_model) -> keys and values, two of (B, h, S, d_k)."""
        keys, values = self.split(self.key(x)), self.split(self.value(x))
        return (keys if order.rotary is None else rotate(keys, order.rotary)), values

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, may_attend: Tensor | None, order: Order = Order(),
        causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let x (B, T, d_model) attend to keys and values (B, h, S, d_k).

        `causal` says that `may_attend` is None and that a query sees the keys up to its own position. Returns the
        output (B, T, d_model) and the weights (B, h, T, S), or None where they are never made (`FusedAttention`).
        """
        queries = self.split(self.query(x))  # (B, h, T, d_k)
        if order.rotary is not None:
            queries = rotate(queries, order.rotary)
        heads, weights = self.attend(queries, keys, values, may_attend, order.bias, causal)
        concatenated = heads.transpose(1, 2).flatten(2)  # (B, T, h * d_k)
        return self.output(concatenated), weights

    def attend(
        self, queries: Tensor, keys: Tensor, values: Tensor, may_attend: Tensor | None, bias: Tensor | None,
        causal: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute equation (4) of all heads; shapes as in `written_out_attention`."""
        if causal:
            positions = torch.arange(queries.shape[2], device=queries.device)
            may_attend = causal_mask(positions, positions)
        queries, keys, values = self.see("queries", queries), self.see("keys", keys), self.see("values", values)
        if bias is not None:
            bias = self.see("bias", bias.to(queries.dtype))
        dropout = self.dropout if self.training else 0.0
        return written_out_attention(queries, keys, values, may_attend, bias, self.scale, dropout, self.see)


class KeyValueCache:
    """The keys and values of every decoder layer, which decoding token by token would compute again.

    Cross-attention's are computed once from the memory; self-attention's are written in place into the tensors `own`,
    which have room for `max_length` tokens.
    """

    def __init__(self, cross: list[tuple[Tensor, Tensor]], own: list[Tensor], source_mask: Tensor) -> None:
        self.cross = cross  # a pair of (B, h, S, d_k) per layer; empty without cross-attention
        self.own = [(keys, values) for keys, values in own]  # of (2, B, h, max_length, d_k) per layer
        self.source_mask = source_mask  # (B, S)
        self.max_length = own[0].shape[3]
        self.length = 0  # tokens decoded so far

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new tokens' keys and values (B, h, T, d_k); return those of all tokens so far."""
        end = self.length + keys.shape[2]
        if end > self.max_length:
            raise ValueError(f"the cache has room for {self.max_length} tokens, not for {end}")
        for room, new in zip(self.own[layer], (keys, values), strict=True):
            room[:, :, self.length : end] = new
        return self.own[layer][0][:, :, :end], self.own[layer][1][:, :, :end]

    def reorder(self, rows: Tensor, same_sources: bool = False) -> None:
        """Make row i of the batch what row `rows[i]` was; the indices `rows` (B') may repeat or leave some out.

        `same_sources`: each row gets another prefix of the source it already has, as beams do; cross-attention's part
        stays as it is.
        """
        # index_select copies whole rows; on a CPU `keys[rows]` takes five times as long.
        self.own = [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in self.own]
        if not same_sources:
            self.cross = [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in self.cross]
            self.source_mask = self.source_mask[rows]
