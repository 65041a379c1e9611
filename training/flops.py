"""Training FLOPs by formula: the same for every run, so that budgets can be compared.

Counted are the matrix products, two FLOPs for each multiplication with its addition, at real (unpadded) lengths;
causal attention at half, for half of its scores are not needed; the backward pass at twice the forward pass.
"""

from __future__ import annotations

from model.config import ModelConfig


def forward_flops(config: ModelConfig, source_length: int, target_length: int) -> int:
    """FLOPs of one pair's forward pass, output layer and copy head included; lengths in real tokens."""
    return encoder_flops(config, source_length) + decoder_flops(config, source_length, target_length)


def mlm_forward_flops(config: ModelConfig, source_length: int, masked: int) -> int:
    """FLOPs of masked language modelling on one source: the encoder, and the head at `masked` positions."""
    head = masked * config.d_model * (config.d_model + config.vocab_size)
    return encoder_flops(config, source_length) + 2 * head


def training_flops(forward: int) -> int:
    """FLOPs of forward and backward pass: each product of the forward pass has two in the backward pass."""
    return 3 * forward


def encoder_flops(config: ModelConfig, source_length: int) -> int:
    """FLOPs of equation (1)."""
    S, d, heads = source_length, config.d_model, config.n_heads * config.d_k
    attention = 4 * S * d * heads + 2 * S * S * heads  # W^Q, W^K, W^V, W^O; Q K^T and weights V
    return 2 * config.n_encoder_layers * (attention + feed_forward_products(config, S))


def decoder_flops(config: ModelConfig, source_length: int, target_length: int) -> int:
    """FLOPs of equations (2) and (3)."""
    S, T, d, heads = source_length, target_length, config.d_model, config.n_heads * config.d_k
    to_self = 4 * T * d * heads + (1 if config.causal else 2) * T * T * heads  # the causal half of 2 T T heads
    to_source = 2 * T * d * heads + 2 * S * d * heads + 2 * T * S * heads  # W^K and W^V project the source
    to_source = to_source if config.cross_attention else 0
    layers = config.n_decoder_layers * (to_self + to_source + feed_forward_products(config, T))
    output = T * d * config.vocab_size
    # The copy head's two projections, its scores and its context, and its gate of width one.
    copying = 2 * T * d * d + 2 * T * S * d + 2 * T * d if config.copy_head else 0
    return 2 * (layers + output + copying)


def feed_forward_products(config: ModelConfig, length: int) -> int:
    """Multiplications of one feed-forward layer: two matrices, three with a gate."""
    if config.feed_forward == "none":
        return 0
    matrices = 3 if config.gated else 2
    return matrices * length * config.d_model * config.d_ff
