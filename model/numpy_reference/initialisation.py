"""The names and shapes of all weights, and random ones to start from, as `Transformer.initialise` draws them."""

from __future__ import annotations

import math

import numpy as np

from model.config import ModelConfig
from model.numpy_reference.linear import Weights

Shapes = dict[str, tuple[int, ...]]


def linear_shapes(name: str, d_in: int, d_out: int, bias: bool) -> Shapes:
    """The shapes of a linear map's weight and bias."""
    return {f"{name}.weight": (d_out, d_in)} | ({f"{name}.bias": (d_out,)} if bias else {})


def norm_shapes(name: str, config: ModelConfig) -> Shapes:
    """The shapes of a norm's gain, and of LayerNorm's bias."""
    has_bias = config.norm == "layer" and config.biases
    return {f"{name}.gain": (config.d_model,)} | ({f"{name}.bias": (config.d_model,)} if has_bias else {})


def layer_shapes(name: str, attentions: tuple[str, ...], config: ModelConfig) -> Shapes:
    """The shapes of one layer: its attentions, its feed-forward layer, and a norm for each."""
    shapes, width = {}, config.n_heads * config.d_k
    for attention in attentions:
        for matrix in ("query", "key", "value"):
            shapes |= linear_shapes(f"{name}.{attention}.{matrix}", config.d_model, width, config.biases)
        shapes |= linear_shapes(f"{name}.{attention}.output", width, config.d_model, config.biases)
    for matrix in ("gate", "inner") if config.gated else ("inner",):
        shapes |= linear_shapes(f"{name}.feed_forward.{matrix}", config.d_model, config.d_ff, config.biases)
    shapes |= linear_shapes(f"{name}.feed_forward.outer", config.d_ff, config.d_model, config.biases)
    for sublayer in (*attentions, "feed_forward"):
        shapes |= norm_shapes(f"{name}.{sublayer}_residual.norm", config)
    return shapes


def weight_shapes(config: ModelConfig) -> Shapes:
    """The shape of every weight of the network, heads included, under the name that the PyTorch network gives it."""
    shapes: Shapes = {"embedding.weight": (config.vocab_size, config.d_model)}
    for stack in ("encoder", "decoder"):
        if config.positions == "learned":
            shapes[f"{stack}_positions.learned.weight"] = (config.max_length + config.position_offset, config.d_model)
        if config.positions == "t5_relative":
            shapes[f"{stack}_positions.relative.table.weight"] = (config.relative_buckets, config.n_heads)
        if config.norm_embeddings:
            shapes |= norm_shapes(f"{stack}_embedding_norm", config)
        if config.has_final_norm:
            shapes |= norm_shapes(f"{stack}_norm", config)

    for i in range(config.n_encoder_layers):
        shapes |= layer_shapes(f"encoder.{i}", ("self_attention",), config)
    for i in range(config.n_decoder_layers):
        shapes |= layer_shapes(f"decoder.{i}", ("self_attention", "cross_attention"), config)

    if not config.tie_embeddings:
        shapes["output.weight"] = (config.vocab_size, config.d_model)
    if config.logits_bias:
        shapes["logits_bias"] = (config.vocab_size,)  # not trained: no gradient has its name
    if config.copy_head:
        shapes |= {f"copy_head.{name}.weight": (config.d_model, config.d_model) for name in ("query", "key")}
        shapes |= linear_shapes("copy_head.gate", 2 * config.d_model, 1, bias=True)
    if config.mlm_head:
        shapes |= linear_shapes("mlm_head.dense", config.d_model, config.d_model, bias=True)
        shapes |= norm_shapes("mlm_head.norm", config) | {"mlm_head.bias": (config.vocab_size,)}
    return shapes


def initialise(config: ModelConfig, pad_id: int, generator: np.random.Generator) -> Weights:
    """Draw float64 weights: Glorot's uniform for matrices, ones for gains, zero biases, small normal tables."""
    weights = {}
    for name, shape in weight_shapes(config).items():
        if name.endswith("gain"):
            weights[name] = np.ones(shape)
        elif name.endswith("bias"):
            weights[name] = np.zeros(shape)
        elif "embedding" in name or "positions" in name:
            weights[name] = generator.normal(0.0, 0.5 / math.sqrt(config.d_model), shape)
        else:
            limit = math.sqrt(6 / sum(shape))  # Glorot and Bengio 2010, equation (16)
            weights[name] = generator.uniform(-limit, limit, shape)
            if name.endswith("query.weight") and config.scale_initial_queries and "attention" in name:
                weights[name] /= math.sqrt(config.d_k)  # T5 has the factor of equation (4) here
    weights["embedding.weight"][pad_id] = 0
    if config.copy_head:  # start by generating
        weights["copy_head.gate.weight"][:] = 0
        weights["copy_head.gate.bias"][:] = 1
    return weights
