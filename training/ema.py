"""Exponential moving average of the weights, for evaluation (Polyak and Juditsky 1992; the form of TensorFlow)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def start_average(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights by name, tied weights once, in the form in which it is saved and loaded."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """average <- d * average + (1 - d) * weights after optimiser step `step`, counted from 1.

    d = min(decay, (1 + step) / (10 + step)), so that the random start is forgotten early on.
    """
    decay = min(decay, (1 + step) / (10 + step))
    weights = [parameter.detach() for _, parameter in model.named_parameters()]
    torch._foreach_lerp_([average[name] for name, _ in model.named_parameters()], weights, 1 - decay)


@contextmanager
def averaged_weights(model: nn.Module, average: dict[str, Tensor] | None) -> Iterator[None]:
    """Inside the `with` the model has the averaged weights, afterwards its own again. None: nothing is swapped."""
    if average is None:
        yield
        return
    own = start_average(model)
    copy_weights(average, model)
    try:
        yield
    finally:
        copy_weights(own, model)


@torch.no_grad()
def copy_weights(weights: dict[str, Tensor], model: nn.Module) -> None:
    """Write `weights` into the model's parameters of the same names."""
    for name, parameter in model.named_parameters():
        parameter.copy_(weights[name])
