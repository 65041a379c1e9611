"""How the order of tokens enters a network whose attention is blind to it.

Added to the embeddings:      sinusoidal (Vaswani et al. 2017, 3.5), learned (Gehring et al. 2017; BART).
Added to attention scores:    T5's bucketed relative bias (Raffel et al. 2020, 2.1), ALiBi (Press et al. 2022).
Rotating queries and keys:    rotary (Su et al. 2021).
Cross-attention has none of them: source and target have no common axis.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.config import ModelConfig


def sinusoidal_positions(positions: Tensor, d_model: int, layout: str = "interleaved") -> Tensor:
    """The sinusoids PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(same): (T) -> (T, d_model).

    Layout "halves" has the same columns in another order: all sines, then all cosines (Marian).
    """
    frequencies = _frequencies(d_model, positions.device)  # (d_model/2)
    angles = positions[:, None] * frequencies  # (T, d_model/2)
    if layout == "halves":
        return torch.cat((angles.sin(), angles.cos()), dim=-1)  # (T, d_model)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)  # (T, d_model)


def rotation(positions: Tensor, d_k: int) -> tuple[Tensor, Tensor]:
    """The cosine and sine of pos / 10000^(2i/d_k) (Su et al. 2021, equation 15): (T) -> two of (T, d_k/2)."""
    angles = positions[:, None] * _frequencies(d_k, positions.device)  # (T, d_k/2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the pair (x_i, x_{i+d_k/2}) by its position's angle, so that q.k depends on the distance alone.

    Su et al. 2021 pair neighbours; pairing the halves is the same up to a fixed order of the columns of W^Q and W^K.
    x (B, h, T, d_k) -> (B, h, T, d_k).
    """
    cosine, sine = (part.to(x.dtype) for part in rotary)  # (T, d_k/2)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


def _frequencies(width: int, device: torch.device) -> Tensor:
    exponents = torch.arange(0, width, 2, dtype=torch.float64) / width
    frequencies = 10000.0**-exponents  # float64: at position 1,000 float32 angles are off by 1e-4
    return frequencies.float().to(device) if device.type == "mps" else frequencies.to(device)  # MPS has no float64


def t5_bucket(distance: Tensor, bidirectional: bool, n_buckets: int, max_distance: int) -> Tensor:
    """The bucket of key position minus query position: exact when near, logarithmic up to max_distance when far.

    Raffel et al. 2020, 2.1. The encoder splits the buckets between left and right; the decoder sees the left alone.
    """
    bucket = torch.zeros_like(distance)
    if bidirectional:
        n_buckets //= 2
        bucket = (distance > 0).long() * n_buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = n_buckets // 2
    ratio = (distance.clamp(min=1).float() / exact).log() / math.log(max_distance / exact)
    far = exact + (ratio * (n_buckets - exact)).long()
    return bucket + torch.where(distance < exact, distance, far.clamp(max=n_buckets - 1))


class T5RelativeBias(nn.Module):
    """T5's bias: one learned number per bucket and head, added to the scores of every layer of a stack."""

    def __init__(self, config: ModelConfig, bidirectional: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(config.relative_buckets, config.n_heads)
        self.bidirectional = bidirectional
        self.max_distance = config.relative_max_distance

    def forward(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """The bias for queries at (T) and keys at (S): (1, h, T, S)."""
        distance = key_positions[None, :] - query_positions[:, None]  # (T, S)
        bucket = t5_bucket(distance, self.bidirectional, self.table.num_embeddings, self.max_distance)
        return self.table(bucket).permute(2, 0, 1)[None]  # (1, h, T, S)


def alibi_slopes(n_heads: int) -> Tensor:
    """The slopes 2^(-8/h), 2^(-16/h), ... (h), which Press et al. 2022 give for powers of two, for any h."""
    return 2.0 ** (-8.0 * torch.arange(1, n_heads + 1) / n_heads)


def alibi_bias(n_heads: int, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """ALiBi's bias, -slope |i - j| for each head: (T), (S) -> (1, h, T, S)."""
    distance = (key_positions[None, :] - query_positions[:, None]).abs()  # (T, S)
    return (-alibi_slopes(n_heads).to(distance.device)[:, None, None] * distance)[None]


class Order(NamedTuple):
    """The positions as a stack's self-attention applies them; either part may be missing."""

    rotary: tuple[Tensor, Tensor] | None = None  # cosine and sine of the new positions, two of (T, d_k/2)
    bias: Tensor | None = None  # T5, ALiBi: added to the scores, (1, h, T, S)


class Positions(nn.Module):
    """The positions of one stack (encoder or decoder)."""

    def __init__(self, config: ModelConfig, bidirectional: bool) -> None:
        super().__init__()
        self.config, self.d_k = config, config.d_k
        rows = config.max_length + config.position_offset
        self.learned = nn.Embedding(rows, config.d_model) if config.positions == "learned" else None
        self.relative = T5RelativeBias(config, bidirectional) if config.positions == "t5_relative" else None

    def embed(self, positions: Tensor) -> Tensor | None:
        """The vectors that are added to the embeddings: positions (T) -> (T, d_model), or None.

        Raises ValueError for a position that the table does not have.
        """
        if self.learned is not None:
            if len(positions) and int(positions[-1]) >= self.config.max_length:
                raise ValueError(
                    f"position {int(positions[-1])} does not exist: model.max_length={self.config.max_length}"
                )
            return self.learned(positions + self.config.position_offset)
        if self.config.positions == "sinusoidal":
            return sinusoidal_positions(positions, self.config.d_model, self.config.sinusoid_layout)
        return None

    def order(self, query_positions: Tensor, key_positions: Tensor) -> Order:
        """The bias of the scores or the rotation, for queries at (T) and keys at (S)."""
        if self.config.positions == "rotary":
            return Order(rotary=rotation(query_positions, self.d_k))
        if self.relative is not None:
            return Order(bias=self.relative(query_positions, key_positions))
        if self.config.positions == "alibi":
            return Order(bias=alibi_bias(self.config.n_heads, query_positions, key_positions))
        return Order()
