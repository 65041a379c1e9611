"""One layer of the encoder and one of the decoder: sublayers, residual connections, normalisation.

    post-norm:  x = Norm(x + Sublayer(x))        Vaswani et al. 2017, 3.1
    pre-norm:   x = x + Sublayer(Norm(x))        Xiong et al. 2020
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from model.attention import KeyValueCache, MultiHeadAttention
from model.config import ModelConfig
from model.feed_forward import FeedForward
from model.normalization import make_norm
from model.positions import Order


class Residual(nn.Module):
    """A residual connection around a sublayer, with its norm and dropout."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = make_norm(config)
        self.pre = config.norm_position == "pre"
        self.adds = config.residual
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply the sublayer: (B, T, d_model) -> (B, T, d_model)."""
        if not self.adds:
            y = self.dropout(sublayer(self.norm(x) if self.pre else x))
            return y if self.pre else self.norm(y)
        if self.pre:
            return x + self.dropout(sublayer(self.norm(x)))
        return self.norm(x + self.dropout(sublayer(x)))


class EncoderLayer(nn.Module):
    """An encoder layer: self-attention, then the feed-forward layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention, self.self_attention_residual = MultiHeadAttention(config), Residual(config)
        self.has_feed_forward = config.feed_forward != "none"
        if self.has_feed_forward:
            self.feed_forward, self.feed_forward_residual = FeedForward(config), Residual(config)

    def forward(self, x: Tensor, may_attend: Tensor, order: Order) -> Tensor:
        """x (B, S, d_model), may_attend (B, 1, 1, S) -> (B, S, d_model)."""

        def attend(x: Tensor) -> Tensor:
            keys, values = self.self_attention.keys_and_values(x, order)
            return self.self_attention(x, keys, values, may_attend, order)[0]

        x = self.self_attention_residual(x, attend)
        return self.feed_forward_residual(x, self.feed_forward) if self.has_feed_forward else x


class DecoderLayer(nn.Module):
    """A decoder layer: causal self-attention, cross-attention to the source, then the feed-forward layer."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.self_attention, self.self_attention_residual = MultiHeadAttention(config), Residual(config)
        self.has_cross_attention, self.has_feed_forward = config.cross_attention, config.feed_forward != "none"
        if self.has_cross_attention:
            self.cross_attention, self.cross_attention_residual = MultiHeadAttention(config), Residual(config)
        if self.has_feed_forward:
            self.feed_forward, self.feed_forward_residual = FeedForward(config), Residual(config)

    def forward(
        self, x: Tensor, memory: Tensor | None, source_may_attend: Tensor, order: Order, may_attend: Tensor | None,
        cache: KeyValueCache | None,
    ) -> Tensor:
        """x (B, T, d_model), memory (B, S, d_model), source_may_attend (B, 1, 1, S) -> (B, T, d_model).

        `may_attend` (T, T), or (B, 1, 1, T), is given where a plain causal mask does not say it all: with a bias, with
        a cache, or where later tokens are seen too.
        """

        def attend_to_self(x: Tensor) -> Tensor:
            keys, values = self.self_attention.keys_and_values(x, order)
            if cache is not None:
                keys, values = cache.append(self.index, keys, values)
            return self.self_attention(x, keys, values, may_attend, order, causal=may_attend is None)[0]

        def attend_to_source(x: Tensor) -> Tensor:
            pair = self.cross_attention.keys_and_values(memory) if cache is None else cache.cross[self.index]
            return self.cross_attention(x, *pair, source_may_attend)[0]

        x = self.self_attention_residual(x, attend_to_self)
        if self.has_cross_attention:
            x = self.cross_attention_residual(x, attend_to_source)
        return self.feed_forward_residual(x, self.feed_forward) if self.has_feed_forward else x
