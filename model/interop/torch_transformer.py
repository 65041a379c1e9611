"""Conversion of weights to and from PyTorch's own module, `torch.nn.Transformer`.

It has no embeddings, positions or output layer, so a conversion covers the two stacks, and the caller gives or gets the
rest under our names. Its quirk is a norm behind a post-norm stack, which has ended with one already: the field
`final_norm` of model/config.py. ConversionError (model/interop/hugging_face.py) lists what cannot be said or is left
over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from model.config import ModelConfig, preset
from model.decoding import SpecialIds
from model.interop.families import TORCH_RULES, WHOLE
from model.interop.hugging_face import ConversionError, Imported, Tensors, misfits, renamed, shapes

PROJECTIONS = ("query", "key", "value")  # the order in which PyTorch stacks W^Q, W^K and W^V


def from_torch(
    module: nn.Transformer, embeddings: Mapping[str, Tensor], special: SpecialIds, **choices: Any
) -> Imported:
    """Convert PyTorch's module, which has no embeddings: they are given, under our names. Raises ConversionError.

    embeddings: "embedding.weight", "output.weight" unless it is tied, learned positions; choices: the fields of
    ModelConfig that belong to them, such as `positions` and `scale_embeddings`.
    """
    layer, problems = module.encoder.layers[0], []
    activations = {nn.functional.relu: "relu", nn.functional.gelu: "gelu"}
    if layer.activation not in activations:
        problems.append(f"activation={getattr(layer.activation, '__name__', layer.activation)}")

    chosen = {
        "d_model": module.d_model, "n_heads": module.nhead, "d_ff": layer.linear1.out_features,
        "n_encoder_layers": len(module.encoder.layers), "n_decoder_layers": len(module.decoder.layers),
        "norm": "layer", "norm_position": "pre" if layer.norm_first else "post", "norm_epsilon": layer.norm1.eps,
        "final_norm": not layer.norm_first, "feed_forward": activations.get(layer.activation, "relu"),
        "biases": layer.linear1.bias is not None, "dropout": layer.dropout.p,
        "dropout_attention": layer.self_attn.dropout, "dropout_feed_forward": layer.dropout.p,
        "vocab_size": len(embeddings["embedding.weight"]), "tie_embeddings": "output.weight" not in embeddings,
    }  # fmt: skip
    config = preset("vaswani2017", **{**chosen, **choices})

    inside = split_projections(module.state_dict())
    names = {name: renamed(name, TORCH_RULES) for name in shapes(config) if name not in embeddings}
    weights = {ours: inside[theirs] for ours, theirs in names.items() if theirs in inside} | dict(embeddings)
    left_over = [*(inside.keys() - {*names.values()}), *(embeddings.keys() - shapes(config).keys())]
    missing = [ours for ours in names if ours not in weights]

    if problems or left_over or missing:
        raise ConversionError(problems, left_over, missing)
    if sizes := misfits(config, weights):
        raise ConversionError(sizes)
    return Imported(config, special, weights)


def to_torch(config: ModelConfig, weights: Mapping[str, Tensor]) -> tuple[nn.Transformer, Tensors]:
    """PyTorch's module with our stacks in it, and the weights that it has no place for: embeddings, heads and output.

    Raises ConversionError where a stack does what PyTorch's cannot.
    """
    norm_first = config.norm_position == "pre"
    required = {
        "norm": "layer", "final_norm": config.final_norm or not norm_first, "scale_attention": True,
        "dropout_attention": config.dropout, "dropout_feed_forward": config.dropout, "dropout_output": 0.0,
        **WHOLE,
    }  # fmt: skip

    problems = [f"{name}={getattr(config, name)}" for name, value in required.items() if getattr(config, name) != value]
    if config.feed_forward not in ("relu", "gelu"):
        problems.append(f"feed_forward={config.feed_forward}")
    if config.positions not in ("none", "sinusoidal", "learned"):
        problems.append(f"positions={config.positions}")
    if config.d_k * config.n_heads != config.d_model:
        problems.append(f"d_kv={config.d_kv}")

    left_over, missing = weights.keys() - shapes(config).keys(), shapes(config).keys() - weights.keys()
    if problems or left_over or missing:
        raise ConversionError(problems, left_over, missing)

    module = nn.Transformer(
        config.d_model, config.n_heads, config.n_encoder_layers, config.n_decoder_layers, config.d_ff, config.dropout,
        config.feed_forward, layer_norm_eps=config.norm_epsilon, batch_first=True, norm_first=norm_first,
        bias=config.biases, dtype=weights["embedding.weight"].dtype,
    )  # fmt: skip

    stacks = {name: tensor for name, tensor in weights.items() if re.match(r"(en|de)coder(\.|_norm)", name)}
    module.load_state_dict(join_projections({renamed(ours, TORCH_RULES): t for ours, t in stacks.items()}))
    return module, {name: tensor for name, tensor in weights.items() if name not in stacks}


def split_projections(tensors: Mapping[str, Tensor]) -> Tensors:
    """The tensors with `in_proj_weight` and `in_proj_bias` cut in three: "...in_proj_weight.query" and so on."""
    split = {}
    for name, tensor in tensors.items():
        if re.search(r"in_proj_(weight|bias)$", name):
            split |= {f"{name}.{part}": third for part, third in zip(PROJECTIONS, tensor.chunk(3))}
        else:
            split[name] = tensor
    return split


def join_projections(tensors: Mapping[str, Tensor]) -> Tensors:
    """The inverse of `split_projections`."""
    firsts = {name.removesuffix(".query") for name in tensors if name.endswith(".query")}
    joined = {name: torch.cat([tensors[f"{name}.{part}"] for part in PROJECTIONS]) for name in firsts}
    return joined | {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] not in firsts}
