"""The few columns of the network's matrices with which the page recomputes some cells of each operation.

All matrices would make a page three times as large as all activations; a few columns are enough to prove that a panel
shows what the equation says, and to show one sum with its own numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from teaching.walkthrough.operations import Operation
from teaching.walkthrough.packing import pack
from teaching.walkthrough.story import Story

N_COLUMNS = 4  # of each matrix
N_BACK = 2  # of its transpose, for the gradient of its input


def excerpts(operation: Operation, story: Story) -> dict[str, Any]:
    """The numbers that an operation's equation needs beside the arrays; empty where these are enough."""
    parameters, config = operation.parameters, story.model.config
    if operation.kind == "norm":
        return {role: pack(weight) for role, weight in parameters.items()}
    if operation.kind == "embedding":
        ids = story.trace.source if operation.place == "encoder" else story.trace.decoder_input
        return columns(parameters["W"], None, first_distinct(ids.tolist()))
    if operation.kind == "weights":
        return {"value_norms": pack(value_norms(operation, story))}
    if operation.kind == "copy_gate":
        return {"gate": pack(parameters["gate"]), "gate_bias": float(parameters["gate_bias"].detach())}
    if "W" not in parameters:
        return {}

    if operation.kind == "projection":
        chosen = columns_of_heads(config.n_heads, config.d_k, operation)
    elif operation.kind == "logits":
        chosen = first_distinct(story.trace.target.tolist())
    else:
        chosen = spread(parameters["W"].shape[0], N_COLUMNS)

    back = spread(parameters["W"].shape[1], N_BACK)
    return columns(parameters["W"], parameters.get("b"), chosen) | {
        "back": back, "W_back": pack(parameters["W"][:, back].T)}


def columns(weight: Tensor, bias: Tensor | None, chosen: list[int]) -> dict[str, Any]:
    """Rows of W as torch stores it, the columns of W^T in x W^T, with the biases that belong to them."""
    result: dict[str, Any] = {"columns": chosen, "W": pack(weight[chosen])}
    return result if bias is None else result | {"b": pack(bias[chosen])}


def columns_of_heads(n_heads: int, d_k: int, operation: Operation) -> list[int]:
    """One column of each of the first heads; a rotation needs its partner half a head away too."""
    half = d_k // 2
    turned = "cosine" in operation.inputs
    result = []
    for head in range(min(n_heads, N_COLUMNS)):
        column = (2 + 3 * head) % d_k
        result.append(head * d_k + column)
        if turned:
            result.append(head * d_k + (column + half) % d_k)
    return result


def value_norms(operation: Operation, story: Story) -> Tensor:
    """||v_j W_O|| of each head and key (h, S): weight times this is what a key adds (Kobayashi et al. 2020)."""
    stack, index, name = operation.place.split(".")
    module = getattr(getattr(story.model, stack)[int(index)], name)
    values = story.trace.activations[f"{operation.place}.values"].value  # (h, S, k)
    n_heads, _, d_k = values.shape
    per_head = module.output.weight.detach().T.reshape(n_heads, d_k, -1)  # (h, k, d)
    return torch.linalg.vector_norm(values @ per_head, dim=-1)


def spread(size: int, n: int) -> list[int]:
    """At most n different indices below `size`, spread out and not all even."""
    return sorted({int((i + 0.37) / n * size) for i in range(n)})


def first_distinct(ids: list[int]) -> list[int]:
    """The first few distinct ids."""
    return list(dict.fromkeys(ids))[:N_COLUMNS]
