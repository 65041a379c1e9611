"""Weights on disk as safetensors: tied weights stand there once and are tied again on load."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from system.atomic_files import write_atomically
from system.errors import UserError
from system.from_disk import refuse_in_its_place


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that the model saves, by name; a tensor that has several names has its first one here."""
    first_names: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        first_names.setdefault(id(tensor), (name, tensor))
    return {name: tensor.detach() for name, tensor in first_names.values()}


def as_bytes(tensors: dict[str, Tensor]) -> bytes:
    """The tensors as the content of a safetensors file."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def save_weights(path: Path, model: nn.Module) -> None:
    """Write the model's weights, atomically. Raises UserError."""
    write_atomically(path, as_bytes(weights_of(model)))


def load_weights(path: Path, model: nn.Module) -> None:
    """Read the weights that `save_weights` wrote into a model of the same settings. Raises UserError."""
    restore_weights(read_tensors(path), model, path)


def read_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read the tensors of a safetensors file by name. Raises UserError when it is missing or damaged."""
    refuse_in_its_place(path)
    try:
        return safetensors.torch.load_file(path, device=str(device))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); train again or restore the file") from error


@torch.no_grad()
def restore_weights(tensors: dict[str, Tensor], model: nn.Module, path: Path) -> None:
    """Copy tensors into the model's own, name by name. Raises UserError where names or shapes differ."""
    own = weights_of(model)
    for name in sorted(own.keys() | tensors.keys()):
        there, here = (tuple(side[name].shape) if name in side else "nothing" for side in (tensors, own))
        if there != here:
            raise UserError(f"{path} has {there} for {name}, the model has {here}; is config.json another model's?")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])
