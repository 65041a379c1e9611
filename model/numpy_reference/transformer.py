"""The encoder-decoder Transformer, equations (1), (2) and (3) of chapter 4.1, forward and backward.

    H_enc   = Encoder(X)                                   (1)   encode
    H_dec_t = Decoder(y_1, .., y_{t-1}, H_enc)             (2)   decode
    logits_t = W_o H_dec_t                                 (3)   before its softmax, which stands in losses.py

The embedding E serves the source, the target and, when tied, as W_o; its gradient is the sum over its uses. The two
lookups touch the rows of the tokens that occur; the output touches every row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.attention import causal_mask
from model.numpy_reference.layers import (
    decoder_layer,
    decoder_layer_backward,
    encoder_layer,
    encoder_layer_backward,
)
from model.numpy_reference.linear import Saved, Weights, embedding_backward, part, under
from model.numpy_reference.normalization import norm, norm_backward
from model.numpy_reference.positions import (
    make_order,
    order_backward,
    position_embedding,
    position_embedding_backward,
)


class Batch(NamedTuple):
    """Token ids and masks, True at real tokens. The decoder's input is the target shifted right by a start token."""

    source: ndarray  # (B, S)
    source_mask: ndarray  # (B, S)
    decoder_input: ndarray  # (B, T)
    target: ndarray  # (B, T)
    target_mask: ndarray  # (B, T)


def embed(ids: ndarray, stack: str, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """Token ids (B, T) -> scaled embeddings plus positions, normalised if the configuration says so (B, T, d_model)."""
    x = weights["embedding.weight"][ids]
    if config.scale_embeddings:
        x = x * math.sqrt(config.d_model)
    added = position_embedding(ids.shape[1], part(weights, f"{stack}_positions"), config)  # (T, d_model) or None
    if added is not None:
        x = x + added.astype(x.dtype, copy=False)
    saved = {"ids": ids, "x": x}
    if config.norm_embeddings:
        x, saved["norm"] = norm(x, part(weights, f"{stack}_embedding_norm"), config)
    return x, saved


def embed_backward(
    d_x: ndarray, saved: Saved, stack: str, weights: Weights, config: ModelConfig, pad_id: int
) -> tuple[ndarray, Weights, Saved]:
    """dL/dE (V, d_model) of this lookup, the gradients of the stack's own positions and norm, and d_saved.

    The row of the padding token gets no gradient, except in T5, whose decoder starts with it.
    """
    gradients = {}
    if config.norm_embeddings:
        d_x, of_norm = norm_backward(d_x, saved["norm"], part(weights, f"{stack}_embedding_norm"), config)
        gradients = under(f"{stack}_embedding_norm", of_norm)
    gradients |= under(f"{stack}_positions", position_embedding_backward(d_x, config))

    scaled = d_x * math.sqrt(config.d_model) if config.scale_embeddings else d_x
    d_embedding = embedding_backward(scaled, saved["ids"], config.vocab_size)
    if not config.learn_padding:
        d_embedding[pad_id] = 0
    return d_embedding, gradients, {"x": d_x}


def final_norm(x: ndarray, stack: str, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """The norm at the end of a stack, where there is one: (B, T, d_model) -> (B, T, d_model)."""
    return norm(x, part(weights, f"{stack}_norm"), config) if config.has_final_norm else (x, {})


def final_norm_backward(
    d_x: ndarray, saved: Saved, stack: str, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights]:
    """The backward of `final_norm`."""
    if not config.has_final_norm:
        return d_x, {}
    d_x, gradients = norm_backward(d_x, saved, part(weights, f"{stack}_norm"), config)
    return d_x, under(f"{stack}_norm", gradients)


def encode(source: ndarray, source_mask: ndarray, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """Equation (1): source and source_mask (B, S) -> memory H_enc (B, S, d_model).

    Raises ValueError for a network without one of its pieces: here stands the whole mathematics.
    """
    if config.removed:
        raise ValueError(f"the NumPy network has every piece, this one is without {', '.join(config.removed)}")
    if config.copy_head and config.copy_form == "scores":
        raise ValueError("the NumPy network copies by a mixture; leave out --model.copy_form")
    x, embedded = embed(source, "encoder", weights, config)
    order = make_order(source.shape[1], part(weights, "encoder_positions"), config, bidirectional=True)
    layers = []
    for i in range(config.n_encoder_layers):
        x, saved = encoder_layer(x, part(weights, f"encoder.{i}"), source_mask[:, None, None, :], order, config)
        layers.append(saved)
    x, normed = final_norm(x, "encoder", weights, config)
    return x, {"embed": embedded, "order": order, "layers": layers, "norm": normed, "memory": x}


def encode_backward(
    d_memory: ndarray, saved: Saved, weights: Weights, config: ModelConfig, pad_id: int
) -> tuple[ndarray, Weights, Saved]:
    """dL/dE (V, d_model) of the source's lookup, the encoder's gradients and d_saved."""
    d_x, gradients = final_norm_backward(d_memory, saved["norm"], "encoder", weights, config)
    d_layers = []
    for i in reversed(range(config.n_encoder_layers)):
        d_x, of_layer, d_layer = encoder_layer_backward(d_x, saved["layers"][i], part(weights, f"encoder.{i}"), config)
        gradients |= under(f"encoder.{i}", of_layer)
        d_layers.insert(0, d_layer)

    d_scores = [layer["self_attention"]["inside"]["scores"] for layer in d_layers]
    gradients |= under("encoder_positions", order_backward(d_scores, saved["order"], config))
    d_embedding, of_embedding, d_embed = embed_backward(d_x, saved["embed"], "encoder", weights, config, pad_id)
    return d_embedding, gradients | of_embedding, {"embed": d_embed, "layers": d_layers, "memory": d_memory}


def decode(
    decoder_input: ndarray, memory: ndarray, source_mask: ndarray, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """Equation (2): decoder_input (B, T), memory (B, S, d_model) -> states H_dec (B, T, d_model)."""
    length = decoder_input.shape[1]
    x, embedded = embed(decoder_input, "decoder", weights, config)
    order = make_order(length, part(weights, "decoder_positions"), config, bidirectional=False)
    layers = []
    for i in range(config.n_decoder_layers):
        x, saved = decoder_layer(
            x, memory, part(weights, f"decoder.{i}"), source_mask[:, None, None, :], causal_mask(length), order, config
        )
        layers.append(saved)
    x, normed = final_norm(x, "decoder", weights, config)
    return x, {"embed": embedded, "order": order, "layers": layers, "norm": normed, "states": x}


def decode_backward(
    d_states: ndarray, saved: Saved, weights: Weights, config: ModelConfig, pad_id: int
) -> tuple[ndarray, ndarray, Weights, Saved]:
    """dL/dE of the target's lookup, dL/dmemory summed over the layers, the decoder's gradients and d_saved."""
    d_x, gradients = final_norm_backward(d_states, saved["norm"], "decoder", weights, config)
    d_memory, d_layers = 0.0, []
    for i in reversed(range(config.n_decoder_layers)):
        d_x, d_read, of_layer, d_layer = decoder_layer_backward(
            d_x, saved["layers"][i], part(weights, f"decoder.{i}"), config
        )
        d_memory = d_memory + d_read  # (B, S, d_model)
        gradients |= under(f"decoder.{i}", of_layer)
        d_layers.insert(0, d_layer)

    d_scores = [layer["self_attention"]["inside"]["scores"] for layer in d_layers]
    gradients |= under("decoder_positions", order_backward(d_scores, saved["order"], config))
    d_embedding, of_embedding, d_embed = embed_backward(d_x, saved["embed"], "decoder", weights, config, pad_id)
    d_saved = {"embed": d_embed, "layers": d_layers, "states": d_states}
    return d_embedding, d_memory, gradients | of_embedding, d_saved


def output_matrix(weights: Weights, config: ModelConfig) -> ndarray:
    """The matrix W_o (V, d_model): the embedding itself when tied (Press and Wolf 2017)."""
    return weights["embedding.weight" if config.tie_embeddings else "output.weight"]


def output_scale(config: ModelConfig) -> float:
    """The factor of the states before W_o: d_model^-0.5 in T5, else 1."""
    return 1 / math.sqrt(config.d_model) if config.scale_output else 1.0


def logits(states: ndarray, weights: Weights, config: ModelConfig) -> ndarray:
    """W_o H_dec of equation (3): (B, T, d_model) -> (B, T, V). A `logits_bias` among the weights is added."""
    return output_scale(config) * states @ output_matrix(weights, config).T + weights.get("logits_bias", 0.0)


def logits_backward(
    d_logits: ndarray, states: ndarray, weights: Weights, config: ModelConfig
) -> tuple[ndarray, ndarray]:
    """dL/dstates (B, T, d_model) and dL/dW_o (V, d_model)."""
    scale = output_scale(config)
    rows = d_logits.reshape(-1, config.vocab_size)  # (B*T, V)
    d_matrix = scale * rows.T @ states.reshape(-1, config.d_model)  # (V, d_model)
    return scale * d_logits @ output_matrix(weights, config), d_matrix


def forward(batch: Batch, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """Equations (1) to (3): logits (B, T, V)."""
    memory, encoder = encode(batch.source, batch.source_mask, weights, config)
    states, decoder = decode(batch.decoder_input, memory, batch.source_mask, weights, config)
    return logits(states, weights, config), {"encoder": encoder, "decoder": decoder}


def backward(
    d_states: ndarray, d_memory: ndarray | float, d_output: ndarray | float, saved: Saved, weights: Weights,
    config: ModelConfig, pad_id: int,
) -> tuple[Weights, Saved]:
    """Every gradient, from dL/dH_dec (B, T, d_model), dL/dW_o (V, d_model) and what a head sends to the memory.

    Also returns d_saved, the gradients of the values on the way.
    """
    d_target, d_read, of_decoder, d_decoder = decode_backward(d_states, saved["decoder"], weights, config, pad_id)
    d_source, of_encoder, d_encoder = encode_backward(d_memory + d_read, saved["encoder"], weights, config, pad_id)
    gradients = of_decoder | of_encoder
    gradients["embedding.weight"] = d_source + d_target
    if config.tie_embeddings:
        gradients["embedding.weight"] = gradients["embedding.weight"] + d_output
    else:
        gradients["output.weight"] = d_output
    return gradients, {"encoder": d_encoder, "decoder": d_decoder}
