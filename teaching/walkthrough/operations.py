"""The network at hand as a list of operations in the order of the forward pass.

Each operation has one output, the array of its name in the trace, and says which arrays and which parameters it is
computed from, so that a page or a reader can compute it again. What the network does not have is not in the list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn

from model.attention import MultiHeadAttention
from model.normalization import LayerNorm
from model.transformer import Transformer
from teaching.walkthrough.trace import sublayers

SOURCE_AXIS, TARGET_AXIS = "S", "T"  # names of the two axes of positions


@dataclass(frozen=True)
class Operation:
    """One step of the forward pass."""

    name: str  # of its output in the trace
    kind: str  # which equation it is: the key into `code_lines.LINES` and the page's equations
    place: str  # encoder, encoder.0.self_attention, .., decoder, .., output
    dims: tuple[str, ...]  # names of the output's axes: h heads, S or T positions, d, k, f, V
    inputs: dict[str, str] = field(default_factory=dict)  # role in the equation -> array of the trace
    numbers: dict[str, float] = field(default_factory=dict)  # constants of the equation
    parameters: dict[str, Tensor] = field(default_factory=dict)  # role -> weight of the network
    variant: str = ""  # of norms and activations
    mask: str = ""  # padding or future, where some keys may not be attended to


def operations(model: Transformer) -> list[Operation]:
    """All operations of the network, from the embeddings to the loss."""
    result = []
    for stack, axis in (("encoder", SOURCE_AXIS), ("decoder", TARGET_AXIS)):
        result += embeddings(model, stack, axis)
        stream = f"{stack}.input"
        for index, layer in enumerate(getattr(model, stack)):
            for name in sublayers(layer):
                result += sublayer(model, layer, f"{stack}.{index}.{name}", axis, stream)
                stream = result[-1].name
        if model.config.has_final_norm:
            result.append(norm(getattr(model, f"{stack}_norm"), f"{stack}.final", stack, axis, stream))
    return result + head(model)


def last_stream(model: Transformer, stack: str) -> str:
    """The name of the array that leaves a stack, H_enc or H_dec."""
    last = f"{stack}.{len(getattr(model, stack)) - 1}.feed_forward.stream"
    return f"{stack}.final" if model.config.has_final_norm else last


def embeddings(model: Transformer, stack: str, axis: str) -> list[Operation]:
    """The operations from ids to the first vectors of the residual stream."""
    config = model.config
    factor = math.sqrt(config.d_model) if config.scale_embeddings else 1.0
    added = {"positions": f"{stack}.positions"} if config.positions in ("sinusoidal", "learned") else {}
    total = f"{stack}.sum" if config.norm_embeddings else f"{stack}.input"
    result = [
        Operation(f"{stack}.embedding", "embedding", stack, (axis, "d"), parameters={"W": model.embedding.weight}),
        Operation(
            total, "embedding_sum", stack, (axis, "d"), {"embedding": f"{stack}.embedding", **added}, {"factor": factor}
        ),
    ]
    if config.norm_embeddings:
        result.append(norm(getattr(model, f"{stack}_embedding_norm"), f"{stack}.input", stack, axis, total))
    return result


def norm(module: nn.Module, name: str, place: str, axis: str, x: str) -> Operation:
    """The operation LayerNorm or RMSNorm of x."""
    variant = "layer" if isinstance(module, LayerNorm) else "rms"
    parameters = {"gain": module.gain}
    if variant == "layer" and module.bias is not None:
        parameters["bias"] = module.bias
    return Operation(name, "norm", place, (axis, "d"), {"x": x}, {"epsilon": module.epsilon}, parameters, variant)


def linear(module: nn.Linear, name: str, place: str, dims: tuple[str, ...], x: str, kind: str = "linear") -> Operation:
    """The operation x W^T + b."""
    parameters = {"W": module.weight} | ({"b": module.bias} if module.bias is not None else {})
    return Operation(name, kind, place, dims, {"x": x}, parameters=parameters)


def sublayer(model: Transformer, layer: nn.Module, place: str, axis: str, stream: str) -> list[Operation]:
    """The operations of an attention or feed-forward sublayer with its norm and residual connection."""
    name = place.rpartition(".")[2]
    module, residual = getattr(layer, name), getattr(layer, f"{name}_residual")
    before = [norm(residual.norm, f"{place}.normed", place, axis, stream)] if residual.pre else []
    x = f"{place}.normed" if residual.pre else stream
    if isinstance(module, MultiHeadAttention):
        middle = attention(model, module, place, axis, x)
    else:
        middle = feed_forward(module, place, axis, x)
    total = Operation(
        f"{place}.{'stream' if residual.pre else 'sum'}", "residual", place, (axis, "d"),
        {"x": stream, "output": f"{place}.output"}, variant="pre" if residual.pre else "post",
    )
    after = [] if residual.pre else [norm(residual.norm, f"{place}.stream", place, axis, total.name)]
    return [*before, *middle, total, *after]


def attention(model: Transformer, module: MultiHeadAttention, place: str, axis: str, x: str) -> list[Operation]:
    """The operations of equations (4) and (5)."""
    stack, _, name = place.split(".")
    cross = name == "cross_attention"
    memory, keys_axis = (last_stream(model, "encoder"), SOURCE_AXIS) if cross else (x, axis)
    rotary = {} if cross or model.config.positions != "rotary" else {
        "cosine": f"{stack}.cosine", "sine": f"{stack}.sine"}
    biased = not cross and model.config.positions in ("t5_relative", "alibi")
    mask = "padding" if keys_axis == SOURCE_AXIS else "future"

    result = []
    for role, source, rows in (("query", x, axis), ("key", memory, keys_axis), ("value", memory, keys_axis)):
        plural = {"query": "queries", "key": "keys", "value": "values"}[role]
        projection = linear(getattr(module, role), f"{place}.{plural}", place, ("h", rows, "k"), source, "projection")
        if rotary and role != "value":
            projection.inputs.update(rotary)
        result.append(projection)

    steps = ("queries", "keys", "values", "scores", "weights", "heads")
    queries, keys, values, scores, weights, heads = (f"{place}.{step}" for step in steps)
    bias = {"bias": f"{stack}.bias"} if biased else {}
    scale, square = {"scale": module.scale}, ("h", axis, keys_axis)
    return [
        *result,
        Operation(scores, "scores", place, square, {"queries": queries, "keys": keys, **bias}, scale, mask=mask),
        Operation(weights, "weights", place, square, {"scores": scores}, mask=mask),
        Operation(heads, "heads", place, ("h", axis, "k"), {"weights": weights, "values": values}),
        linear(module.output, f"{place}.output", place, (axis, "d"), heads, "concatenation"),
    ]


def feed_forward(module: nn.Module, place: str, axis: str, x: str) -> list[Operation]:
    """The operations of the feed-forward layer, with the gate where there is one."""
    gated = module.gate is not None
    gate = [linear(module.gate, f"{place}.gate", place, (axis, "f"), x)] if gated else []
    roles = {"gate": f"{place}.gate"} if gated else {}
    return [
        *gate,
        linear(module.inner, f"{place}.inner", place, (axis, "f"), x),
        Operation(
            f"{place}.hidden", "activation", place, (axis, "f"), {**roles, "inner": f"{place}.inner"},
            variant=module.variant,
        ),
        linear(module.outer, f"{place}.output", place, (axis, "d"), f"{place}.hidden"),
    ]


def head(model: Transformer) -> list[Operation]:
    """The operations of equation (3), of the copy head where there is one, and of equation (6)."""
    config, states, memory = model.config, last_stream(model, "decoder"), last_stream(model, "encoder")
    scale = 1 / math.sqrt(config.d_model) if config.scale_output else 1.0
    bias = {} if model.logits_bias is None else {"b": model.logits_bias}
    logits = Operation("logits", "logits", "output", (TARGET_AXIS, "V"), {"x": states}, {"scale": scale},
                       {"W": model.output.weight, **bias})
    result, roles = [logits], {"logits": "logits"}

    if model.copy_head is not None:
        copy = model.copy_head
        result += [
            linear(copy.query, "copy.states", "output", (TARGET_AXIS, "d"), states),
            Operation(
                "copy.queries", "linear", "output", (TARGET_AXIS, "d"), {"x": "copy.states"},
                parameters={"W": copy.key.weight.T},
            ),
            Operation(
                "copy.scores", "copy_scores", "output", (TARGET_AXIS, SOURCE_AXIS),
                {"queries": "copy.queries", "keys": memory}, {"scale": 1 / math.sqrt(config.d_model)}, mask="padding",
            ),
            Operation(
                "copy.gate", "copy_gate", "output", (TARGET_AXIS, "1"),
                {"x": states, "scores": "copy.scores", "memory": memory},
                parameters={"gate": copy.gate.weight[0], "gate_bias": copy.gate.bias},
            ),
        ]
        roles |= {"scores": "copy.scores", "gate": "copy.gate"}

    kind = "mixture" if model.copy_head is not None else "log_softmax"
    return [
        *result,
        Operation("log_probs", kind, "output", (TARGET_AXIS, "V"), roles),
        Operation("loss", "loss", "output", (TARGET_AXIS,), {"log_probs": "log_probs"}),
    ]
