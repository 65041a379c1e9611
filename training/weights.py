"""Weights on disk as safetensors: tied weights stand there once and are tied again on load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from system.atomic_files import write_atomically
from system.errors import UserError
from system.from_disk import refuse_in_its_place

NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # of weights that are what they say


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


def read_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Read the tensors of a safetensors file by name. Raises UserError when it is missing or damaged."""
    refuse_in_its_place(path)
    try:
        return safetensors.torch.load_file(path, device=str(device))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is missing or damaged ({error}); train again or restore the file") from error


@torch.no_grad()
def restore_weights(tensors: dict[str, Tensor], model: nn.Module, path: Path) -> None:
    """Copy tensors into the model's own, name by name. Raises UserError where names, shapes or kinds differ."""
    own = weights_of(model)
    check_alike(tensors, own, path)
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def check_alike(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path, exactly: bool = False
) -> None:
    """Refuse tensors of other names or shapes, or of numbers of another kind. Raises UserError.

    Whole, complex or packed numbers in a weight's place would be read wrongly. exactly: another precision is refused
    too, as code that has no conversion in it must.
    """
    for name in sorted(own.keys() | tensors.keys()):
        there, here = (tuple(side[name].shape) if name in side else "nothing" for side in (tensors, own))
        if there != here:
            raise UserError(f"{path} has {there} for {name}, the model has {here}; is config.json another model's?")
        found, wanted = tensors[name].dtype, own[name].dtype
        if found != wanted and (exactly or not {found, wanted} <= {*NUMBERS}):
            kinds = f"{number_kind(found)}, the model's is {number_kind(wanted)}"
            raise UserError(f"{path}: {name} is {kinds}; restore the file")


def number_kind(dtype: torch.dtype) -> str:
    """The name of a kind of numbers."""
    return str(dtype).removeprefix("torch.")
