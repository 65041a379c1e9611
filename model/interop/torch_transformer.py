"""Conversion of weights to and from PyTorch's own module, `torch.nn.Transformer`.

It has no embeddings, positions or output layer, so a conversion covers the two stacks, and the caller gives or gets the
rest under our names. Its quirk is a norm behind a post-norm stack, which has ended with one already: the field
`final_norm` of model/config.py. Its layers may differ from one another, ours are of one kind: every layer is asked.
ConversionError (model/interop/hugging_face.py) lists what cannot be said or is left over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from model.config import ModelConfig, preset
from model.decoding import SpecialIds
from model.interop.families import TORCH_RULES, WHOLE
from model.interop.hugging_face import ConversionError, Imported, Tensors, misfits, renamed, shapes

PROJECTIONS = ("query", "key", "value")  # the order in which PyTorch stacks W^Q, W^K and W^V
ACTIVATIONS = {nn.functional.relu: "relu", nn.functional.gelu: "gelu"}
FUSED_ACTIVATIONS = {"relu": 1, "gelu": 2}  # what PyTorch's fused encoder layer calls them
STACK_CLASSES = {
    "encoder": (nn.TransformerEncoder, nn.TransformerEncoderLayer),
    "decoder": (nn.TransformerDecoder, nn.TransformerDecoderLayer),
}


def from_torch(
    module: nn.Transformer, embeddings: Mapping[str, Tensor], special: SpecialIds, **choices: Any
) -> Imported:
    """Convert PyTorch's module, which has no embeddings: they are given, under our names. Raises ConversionError.

    embeddings: "embedding.weight", "output.weight" unless it is tied, learned positions; choices: the fields of
    ModelConfig that belong to them, such as `positions` and `scale_embeddings`.
    """
    found, problems = kind_of_layers(module)
    layer = module.encoder.layers[0]
    chosen = {
        "d_model": module.d_model, "n_heads": found["num_heads"], "d_ff": found["linear1.out_features"],
        "n_encoder_layers": len(module.encoder.layers), "n_decoder_layers": len(module.decoder.layers),
        "norm": "layer", "norm_position": "pre" if found["norm_first"] else "post", "norm_epsilon": found["eps"],
        "final_norm": found["norm"] == "LayerNorm" and not found["norm_first"],
        "feed_forward": ACTIVATIONS.get(found["activation"], "relu"), "biases": found["bias"],
        "dropout": layer.dropout.p, "dropout_attention": layer.self_attn.dropout,
        "dropout_feed_forward": layer.dropout.p,  # of the first layer: dropout is no part of the function
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


def kind_of_layers(module: nn.Transformer) -> tuple[dict[str, Any], list[str]]:
    """The settings that all layers of both stacks have, by PyTorch's names, and a line for each that is not so.

    Of settings that differ, the first layer's is given. Raises ConversionError where a part is not PyTorch's own.
    """
    if foreign := foreign_parts(module):
        raise ConversionError(foreign)
    shared: dict[str, tuple[str, Any]] = {}  # setting -> where it was met first, its value there
    problems = []
    for stack in STACK_CLASSES:
        for index, layer in enumerate(getattr(module, stack).layers):
            problems += oddities(f"{stack}.layers.{index}", layer)
    for where, settings in settings_of_parts(module):
        for name, value in settings.items():
            first, expected = shared.setdefault(name, (where, value))
            if value != expected:
                problems.append(f"{where}.{name}={named(value)} beside {first}.{name}={named(expected)}")

    found = {name: value for name, (_, value) in shared.items()}
    if found["activation"] not in ACTIVATIONS:
        problems.append(f"activation={named(found['activation'])}")
    if found["norm_first"] and found["norm"] != "LayerNorm":
        problems.append("encoder.norm=None behind norm_first=True")
    return found, problems


def settings_of_parts(module: nn.Transformer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of both stacks that can have settings of its own: its name, and those."""
    for stack in STACK_CLASSES:
        layers, norm = getattr(module, stack).layers, getattr(module, stack).norm
        for index, layer in enumerate(layers):
            where = f"{stack}.layers.{index}"
            yield where, {
                "activation": layer.activation, "norm_first": layer.norm_first,
                "linear1.out_features": layer.linear1.out_features, "bias": layer.linear1.bias is not None,
            }  # fmt: skip
            for name, part in layer.named_children():
                if isinstance(part, nn.MultiheadAttention):
                    yield f"{where}.{name}", {"num_heads": part.num_heads}
                elif isinstance(part, nn.LayerNorm):
                    yield f"{where}.{name}", {"eps": part.eps}
        yield stack, {"norm": type(norm).__name__}
        if norm is not None:
            yield f"{stack}.norm", {"eps": norm.eps}


def foreign_parts(module: nn.Transformer) -> list[str]:
    """A line for each part of the stacks that is of another class than PyTorch's own, which may compute anything."""
    parts = []
    for stack, (whole, kind) in STACK_CLASSES.items():
        inside = getattr(module, stack)
        parts.append((stack, inside, whole))
        layers = list(getattr(inside, "layers", ()))
        parts += [(f"{stack}.layers.{index}", layer, kind) for index, layer in enumerate(layers)]
        norms = {f"{stack}.norm": getattr(inside, "norm", None)}
        norms |= {
            f"{stack}.layers.{index}.{name}": part for index, layer in enumerate(layers)
            for name, part in layer.named_children() if name.startswith("norm")
        }
        parts += [(where, norm, nn.LayerNorm) for where, norm in norms.items() if norm is not None]
    lines = [f"{where} is a {type(part).__name__}" for where, part, kind in parts if type(part) is not kind]
    return lines or [f"{stack} has no layers" for stack in STACK_CLASSES if not getattr(module, stack).layers]


def oddities(where: str, layer: nn.Module) -> Iterator[str]:
    """A line for each thing that a layer of PyTorch's own class computes and that no weight of ours tells."""
    fused = FUSED_ACTIVATIONS.get(ACTIVATIONS.get(layer.activation, ""), 0)
    flag = getattr(layer, "activation_relu_or_gelu", 0)  # an encoder layer obeys it in evaluation mode
    if flag not in (0, fused):
        yield f"{where}.activation_relu_or_gelu={flag} beside activation={named(layer.activation)}"
    for name, part in layer.named_children():
        if isinstance(part, nn.MultiheadAttention) and (part.add_zero_attn or part.bias_k is not None):
            yield f"{where}.{name} adds keys of its own (add_zero_attn, add_bias_kv)"


def named(value: Any) -> str:
    """A value, or the name of a function, for an error's line."""
    return getattr(value, "__name__", None) or str(value)


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
