"""Training FLOPs by formula: the same for every run, so that budgets can be compared.

Counted are the matrix products, two FLOPs for each multiplication with its addition, at real (unpadded) lengths;
causal attention at half, for half of its scores are not needed; the backward pass at twice the forward pass.
"""

from __future__ import annotations

from model.config import ModelConfig
from model.heads import ENCODER_HEADS


def forward_flops(config: ModelConfig, source_length: int, target_length: int) -> int:
    """FLOPs of one pair's forward pass, output layer and copy head included; lengths in real tokens."""
    return encoder_flops(config, source_length) + decoder_flops(config, source_length, target_length)


def encoder_head_flops(config: ModelConfig, source_length: int, labels: int, kind: str) -> int:
    """FLOPs of one source through the encoder, and of the head of this kind of item at `labels` positions."""
    head = ENCODER_HEADS[kind].products(config, source_length, labels)
    return encoder_flops(config, source_length) + 2 * head


def two_stream_flops(config: ModelConfig, source_length: int, target_length: int, predicted: int) -> int:
    """FLOPs of permutation language modelling: the decoder's layers on both streams, the output of the predicted.

    Of the four quarters of the 2T x 2T scores two are needed, contents and queries to contents, and of these half.
    """
    T = target_length
    layers = decoder_layer_products(config, source_length, 2 * T, attended=2 * T * T)
    output = predicted * config.d_model * config.vocab_size
    return encoder_flops(config, source_length) + 2 * (config.n_decoder_layers * layers + output)


def training_flops(forward: int) -> int:
    """FLOPs of forward and backward pass together: each product of the forward pass has two in the backward pass."""
    return 3 * forward


def encoder_flops(config: ModelConfig, source_length: int) -> int:
    """FLOPs of the encoder, equation (1)."""
    S, d, heads = source_length, config.d_model, config.n_heads * config.d_k
    attention = 4 * S * d * heads + 2 * S * S * heads  # W^Q, W^K, W^V, W^O; Q K^T and weights V
    return 2 * config.n_encoder_layers * (attention + feed_forward_products(config, S))


def decoder_flops(config: ModelConfig, source_length: int, target_length: int) -> int:
    """FLOPs of the decoder and the output, equations (2) and (3)."""
    S, T, d = source_length, target_length, config.d_model
    output = T * d * config.vocab_size
    # The copy head's two projections and its scores; as a mixture its context and its gate of width one.
    gate = T * S * d + 2 * T * d if config.copy_form == "mixture" else 0
    copying = 2 * T * d * d + T * S * d + gate if config.copy_head else 0
    return config.n_decoder_layers * decoder_layer_flops(config, S, T) + 2 * (output + copying)


def decoder_layer_flops(config: ModelConfig, source_length: int, target_length: int) -> int:
    """FLOPs of one decoder layer's forward pass on a pair."""
    attended = target_length * target_length * (1 if config.causal else 2)
    return 2 * decoder_layer_products(config, source_length, target_length, attended)


def decoder_layer_products(config: ModelConfig, source_length: int, target_length: int, attended: int) -> int:
    """Multiplications of one decoder layer; `attended`: two (score, value) for each query and key that are needed."""
    S, T, d, heads = source_length, target_length, config.d_model, config.n_heads * config.d_k
    to_self = 4 * T * d * heads + attended * heads
    to_source = 2 * T * d * heads + 2 * S * d * heads + 2 * T * S * heads  # W^K and W^V project the source
    return to_self + (to_source if config.cross_attention else 0) + feed_forward_products(config, T)


def feed_forward_products(config: ModelConfig, length: int) -> int:
    """Multiplications of one feed-forward layer: two matrices, three with a gate."""
    if config.feed_forward == "none":
        return 0
    matrices = 3 if config.gated else 2
    return matrices * length * config.d_model * config.d_ff
