"""Where two runs, which should have computed the same, first part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from experiments.record.trees import Computed, tensor_hash

NOT_A_NUMBER = math.inf  # how far a NaN or a tensor of another shape is from a number
# A bias that all keys have adds the same to every score of a query, which softmax takes away (but for rotary positions,
# whose presets have no biases): what moves it is rounding, which an optimiser that divides by the gradient makes large.
WITHOUT_INFLUENCE = "attention.key.bias"


def first_difference(old: Computed, new: Computed, tolerance: float = 0.0) -> str:
    """The first of losses, weights and predictions that differs, in words; "" where all are equal.

    A tolerance of 0 asks for the same bits; another is how far losses and weights may lie apart, for numbers above 1 as
    a share of them. Weights that have no influence are compared with tolerance 0 alone.
    """
    return (
        difference_of_losses(old, new, tolerance)
        or difference_of_weights(old.weights, new.weights, tolerance)
        or difference_of_predictions(old, new)
    )


def largest_difference(old: Computed, new: Computed) -> float:
    """How far losses and weights, which have the same names in both, lie apart at most."""
    losses = [apart(value, new.losses[key]) for key, value in old.losses.items()]
    names = [name for name in old.weights if not name.endswith(WITHOUT_INFLUENCE)]
    return max([*losses, *(tensors_apart(old.weights[name], new.weights[name]) for name in names)])


def difference_of_losses(old: Computed, new: Computed, tolerance: float) -> str:
    """The first step whose loss differs, in the order of the steps."""
    for key in sorted({**old.losses, **new.losses}, key=lambda key: (key[1], key[0], key[2] != "loss")):
        phase, step, name = key
        what = f"{phase} step {step}: {name.replace('_', '-', 1).replace('_', ' ')}"
        if alone := side_that_lacks(old.losses, new.losses, key):
            return f"{what} is missing {alone}"
        before, after = old.losses[key], new.losses[key]
        if apart(before, after) > tolerance * max(1.0, abs(before)):
            return f"{what} {after!r} instead of {before!r} ({after - before:+.1e})"
    return ""


def difference_of_weights(old: Mapping[str, Tensor], new: Mapping[str, Tensor], tolerance: float) -> str:
    """The first tensor, by name, that differs, how far, and how many do."""
    names = sorted({**old, **new})
    for name in names:
        if alone := side_that_lacks(old, new, name):
            return f"weights: {name} is missing {alone}"
        if old[name].shape != new[name].shape or old[name].dtype != new[name].dtype:
            return f"weights: {name} is {described(new[name])} instead of {described(old[name])}"
    if tolerance:
        acting = [name for name in names if not name.endswith(WITHOUT_INFLUENCE)]
        differing = [name for name in acting if tensors_apart(old[name], new[name]) > tolerance]
    else:
        differing = [name for name in names if tensor_hash(old[name]) != tensor_hash(new[name])]
    if not differing:
        return ""
    first, many = differing[0], f"{len(differing)} of {len(names)} tensors differ"
    return f"weights: {first} differs by up to {tensors_apart(old[first], new[first]):.1e}; {many}"


def difference_of_predictions(old: Computed, new: Computed) -> str:
    """The first example for which other code was written."""
    for key in sorted({**old.predictions, **new.predictions}):
        split, example = key
        if alone := side_that_lacks(old.predictions, new.predictions, key):
            return f"{split} {example}: the prediction is missing {alone}"
        before, after = old.predictions[key], new.predictions[key]
        if before != after:
            return f"{split} {example}: prediction {shortened(after)} instead of {shortened(before)}"
    return ""


def side_that_lacks(old: Mapping[Any, Any], new: Mapping[Any, Any], key: Any) -> str:
    """Which of both does not have the key, in words; "" where both have it."""
    return "before" if key not in old else "" if key in new else "now"


def apart(before: float, after: float) -> float:
    """The distance of two numbers; two NaN have none."""
    if before == after or (math.isnan(before) and math.isnan(after)):
        return 0.0
    distance = abs(after - before)
    return NOT_A_NUMBER if math.isnan(distance) else distance


def tensors_apart(before: Tensor, after: Tensor) -> float:
    """The largest distance of two tensors' values."""
    if before.numel() == 0:
        return 0.0
    distance = (before.double() - after.double()).abs()
    distance[before.isnan() & after.isnan() | (before == after)] = 0.0
    return float(distance.nan_to_num(nan=NOT_A_NUMBER).max())


def described(tensor: Tensor) -> str:
    """A tensor's type and shape."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def shortened(text: str, most: int = 40) -> str:
    """The beginning of a text, quoted."""
    return repr(text if len(text) <= most else text[:most] + "…")
