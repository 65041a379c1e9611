"""A trace as one HTML file that opens anywhere without a network: numbers, style and programs within it.

The page holds the tensors that the hooks saw, and for each operation with parameters those few columns of its matrix
that let the reader (and the page itself) compute some cells again. What is a plain function of arrays that are there
already, a norm, the activation and its derivative, is not stored: the page computes it and compares cells of the
network's own. When all of it does not fit the size that was asked for, the least telling arrays are left out, and the
page says which.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from teaching.walkthrough.code_lines import code_line
from teaching.walkthrough.excerpts import excerpts
from teaching.walkthrough.operations import Operation, operations
from teaching.walkthrough.packing import pack
from teaching.walkthrough.questions import questions
from teaching.walkthrough.story import Story
from teaching.walkthrough.trace import Activation

PAGE_FOLDER = Path(__file__).with_name("page")
SCRIPTS = (  # in this order
    "arrays", "pieces", "equations", "functions", "sums", "backward", "invariants", "checks", "colours", "drawing",
    "matrix", "state", "sum_view", "map_view", "layer_view", "operation_view", "tokens", "questions", "export", "main",
)
ENTRY = 120  # bytes that an array takes at least, present or left out
GOLDEN = (math.sqrt(5) - 1) / 2
N_SAMPLES = 8  # cells of the network's own beside an array that the page computes
# What a page is poorest without comes first.
KEPT_LONGEST = {"weights", "log_probs", "copy.gate", "copy.scores"}
KEPT_SECOND = {"scores", "input", "embedding", "positions", "bias", "stream", "final"}
WIDE = {"gate", "inner", "hidden"}  # of the feed-forward layer: d_ff numbers a position


def write_page(story: Story, megabytes: float) -> tuple[str, list[str]]:
    """The whole page, and the names of the arrays that were left out of it."""
    data, left_out = page_data(story, megabytes)
    page = (PAGE_FOLDER / "page.html").read_text(encoding="utf-8")
    parts = {
        "style": (PAGE_FOLDER / "page.css").read_text(encoding="utf-8"),
        "scripts": "\n".join((PAGE_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS),
        "data": in_script(data),
    }
    for name, content in parts.items():
        page = page.replace(f"<!--{name}-->", content)
    return page, left_out


def in_script(data: dict[str, Any]) -> str:
    """The data as JSON in which nothing can end the script element around it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def page_data(story: Story, megabytes: float) -> tuple[dict[str, Any], list[str]]:
    """The data that the page's programs read."""
    steps = operations(story.model)
    data = {
        **facts(story),
        "operations": [described(operation, story) for operation in steps],
        "questions": questions(story, steps),
    }
    shell = len(in_script(data).encode("utf-8")) + sum(path.stat().st_size for path in PAGE_FOLDER.iterdir())
    names = {step.name: step for step in steps}
    data["arrays"], left_out = fitting(story.trace.activations, names, megabytes * 1e6 - shell)
    data["left_out"] = left_out
    return data, left_out


def facts(story: Story) -> dict[str, Any]:
    """The facts of the story besides arrays and operations."""
    trace, config = story.trace, story.model.config
    return {
        "prompt": story.prompt, "code": story.code, "run": story.run, "generated": story.reference is None,
        "reference": story.reference, "ended": story.ended, "cut": story.cut, "same_ids": story.same_ids,
        "fused_difference": trace.fused_difference, "n_source": trace.n_source,
        "config": asdict(config), "d_k": config.d_k,
        "source": trace.source.tolist(), "target": trace.target.tolist(), "input": trace.decoder_input.tolist(),
        "pieces": story.pieces, "loss": [six_digits(loss) for loss in trace.loss.tolist()],
        "top": [[[i, *map(six_digits, parts)] for i, *parts in row] for row in story.alternatives],
        "parameters": [[p.name, list(p.shape), six_digits(p.value), six_digits(p.gradient)] for p in trace.parameters],
    }


def six_digits(number: float) -> float:
    """A number with six digits; the page shows four."""
    return float(f"{number:.6g}")


def described(operation: Operation, story: Story) -> dict[str, Any]:
    """One operation for the page, its source line and the excerpts of its parameters included."""
    return {
        "name": operation.name, "kind": operation.kind, "place": operation.place, "dims": list(operation.dims),
        "inputs": operation.inputs, "numbers": operation.numbers, "variant": operation.variant,
        "mask": operation.mask, "code": asdict(code_line(operation.kind, operation.name, operation.variant)),
        "excerpts": excerpts(operation, story),
    }


def is_derived(step: Operation | None, name: str, part: str) -> bool:
    """Whether the page computes this part of the array from others."""
    if step is None:
        return False
    if part == "value":
        return step.kind in ("norm", "activation")
    return ".feed_forward." in name and name.rpartition(".")[2] in ("gate", "inner")


def rank(name: str, part: str) -> int:
    """The rank in which arrays are left out when there is no room; 0 is left out last."""
    leaf = name.rpartition(".")[2]
    if leaf in WIDE and ".feed_forward." in name:
        return 5 if part == "gradient" else 4
    if name == "logits":
        return 4
    if part == "gradient":
        return 2 if leaf in {"weights", "scores", "stream"} else 3
    return 0 if leaf in KEPT_LONGEST or name in KEPT_LONGEST else 1 if leaf in KEPT_SECOND else 2


def fitting(
    activations: dict[str, Activation], steps: dict[str, Operation], room: float
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The arrays packed into `room` bytes, the most important first, and the names of those that found no room.

    Equal arrays stand once: the gradient of a sum is that of both addends.
    """
    wanted = [
        (rank(name, part), name, part, tensor)
        for name, activation in activations.items()
        for part, tensor in (("value", activation.value), ("gradient", activation.gradient)) if tensor is not None
    ]

    arrays: dict[str, dict[str, Any]] = {name: {} for name in activations}
    room -= sum(len(name) + ENTRY for _, name, _, _ in wanted)
    packed_before: dict[str, str] = {}  # data -> where it stands
    left_out = []

    for _, name, part, tensor in sorted(wanted, key=lambda item: item[0]):
        if is_derived(steps.get(name), name, part):
            arrays[name][part] = {"shape": list(tensor.shape), "derived": True, "samples": samples(tensor)}
            continue
        packed = pack(tensor)
        key = f"{packed['limit']} {packed['data']}"
        if key in packed_before:
            packed = {"shape": packed["shape"], "limit": packed["limit"], "same": packed_before[key]}
        size = len(packed.get("data", ""))
        if size > room:
            arrays[name][part] = {"shape": packed["shape"], "left_out": True}
            left_out.append(f"{name} {part}")
            continue
        room -= size
        packed_before.setdefault(key, f"{name} {part}")
        arrays[name][part] = packed
    return arrays, left_out


def samples(tensor: Tensor) -> list[list[float]]:
    """A few cells spread over the array as [flat index, value], the largest among them."""
    flat = tensor.flatten()
    # Steps of the golden ratio fall into no rhythm with the rows' length.
    spread = [int(i * GOLDEN % 1 * flat.numel()) for i in range(1, N_SAMPLES)]
    return [[index, float(flat[index])] for index in sorted({*spread, int(flat.abs().argmax())})]
