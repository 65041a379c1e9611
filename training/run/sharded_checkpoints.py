"""Checkpoints of a network whose weights several processes share: each process writes what it has.

`checkpoints/step-N/` has, in the place of model, optimizer and other tensors' files, one file a process,
  shard-K-model-00001-of-00001.safetensors     its part of every tensor, and where in the whole one it belongs
in the form of PyTorch's distributed checkpoints for Hugging Face. Named have names: model.<weight>,
optimizer.<weight>.exp_avg, average.<weight>. A tied weight has its first name alone. All else is as in
training/run/checkpoints.py, and any number of processes goes on from it. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from torch import Tensor, distributed, nn
from torch.distributed import checkpoint as torch_checkpoint
from torch.distributed.checkpoint.api import CheckpointException

from system.atomic_files import aside_of, reason, remove
from system.errors import UserError
from training.run.checkpoints import (
    ADAM,
    AVERAGES,
    MEND,
    Checkpoint,
    CheckpointError,
    complete,
    delete_older,
    read_random_states,
)
from training.weights import check_alike, weights_of

Result = TypeVar("Result")
Named = dict[str, Tensor]
ROOMS = ("model.", "optimizer.", *(f"{room}." for room in AVERAGES))  # of a tensor's name the beginning


def save_parts(
    group: distributed.ProcessGroup, run: Path, step: int, tensors: Named, files: list[tuple[str, bytes]], keep: int
) -> None:
    """As `save_checkpoint`, by all processes of the group together. Raises CheckpointError in all of them.

    step: the total of steps, which names the checkpoint. files: name and content of those without weights.
    """
    folder, aside = run / "checkpoints" / f"step-{step}", None
    first = distributed.get_rank(group) == 0
    try:
        aside = of_first(group, lambda: made(aside_of(folder)))
        write_parts(aside, tensors, group)
        digests = digests_of_all(aside, group)
        of_first(group, lambda: complete(aside, folder, files, digests))
    except OSError as error:
        if first and aside is not None:
            remove(aside)
        raise CheckpointError(f"{folder} could not be written ({reason(error)}); earlier checkpoints stay") from error
    if first:
        delete_older(run, step, keep)


def load_parts(
    checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, group: distributed.ProcessGroup
) -> dict[str, Named]:
    """As `load_checkpoint`: each process reads what it is to have. Raises UserError."""
    folder = checkpoint.folder
    reader = torch_checkpoint.HuggingFaceStorageReader(str(folder))
    kept = shapes_in(folder, reader)
    own = room_for(kept, model)
    check_alike(kept, own, folder, exactly=True)
    try:
        torch_checkpoint.load(own, storage_reader=reader, process_group=group)
    except CheckpointException as error:
        raise UserError(f"{folder} could not be read ({first_failure(error)}); {MEND}") from error
    for name, weight in model.named_parameters():
        state = {kind: own[f"optimizer.{name}.{kind}"] for kind in ADAM if f"optimizer.{name}.{kind}" in own}
        if state:
            optimizer.state[weight] = state
    read_random_states(folder / "random.safetensors")
    more = {room: inside(own, room) for room in AVERAGES}
    return {room: tensors for room, tensors in more.items() if tensors}


def named_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, more: dict[str, Named | None]
) -> Named:
    """All tensors of a checkpoint by name; of each this process has a part, or the whole of what is not shared."""
    states = {name: optimizer.state.get(weight, {}) for name, weight in model.named_parameters()}
    rooms = {"model": weights_of(model), **{room: tensors or {} for room, tensors in more.items()}}
    rooms["optimizer"] = {f"{name}.{kind}": state for name, kinds in states.items() for kind, state in kinds.items()}
    return {f"{room}.{name}": tensor for room, tensors in rooms.items() for name, tensor in tensors.items()}


def shapes_in(folder: Path, reader: torch_checkpoint.HuggingFaceStorageReader) -> Named:
    """The tensors of a checkpoint by name, without their numbers. Raises UserError."""
    try:
        found = reader.read_metadata().state_dict_metadata
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{folder} holds no parts of tensors ({error!r}); {MEND}") from error
    ours = {name: about for name, about in found.items() if name.startswith(ROOMS)}  # not the random states
    return {name: torch.empty(one.size, dtype=one.properties.dtype, device="meta") for name, one in ours.items()}


def room_for(kept: Named, model: nn.Module) -> Named:
    """Named to read into, those of the model its own: every weight, and what else the files name of a weight."""
    own = {f"model.{name}": weight for name, weight in weights_of(model).items()}
    for name, weight in model.named_parameters():
        moments = {f"optimizer.{name}.{kind}" for kind in ADAM}
        if moments & kept.keys():  # a weight that had no gradient yet has no state
            own |= {moment: torch.zeros_like(weight, requires_grad=False) for moment in moments}
            own[f"optimizer.{name}.step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
    for room in AVERAGES:
        if inside(kept, room):
            own |= {
                f"{room}.{name}": torch.zeros_like(weight, requires_grad=False)
                for name, weight in model.named_parameters()
            }
    return own


def inside(tensors: Named, room: str) -> Named:
    """The tensors of a room by the rest of their names."""
    return {name.removeprefix(f"{room}."): one for name, one in tensors.items() if name.startswith(f"{room}.")}


def write_parts(folder: Path, tensors: Named, group: distributed.ProcessGroup) -> None:
    """Write each process's part. Raises OSError in all where one could not."""
    writer = torch_checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        torch_checkpoint.save(tensors, storage_writer=writer, process_group=group)
    except CheckpointException as error:
        raise OSError(first_failure(error)) from error


def first_failure(error: CheckpointException) -> str:
    """Which process could not write or read, and why."""
    rank, (cause, _) = min(error.failures.items(), key=lambda failure: failure[0])
    said = reason(cause) if isinstance(cause, OSError) else f"{type(cause).__name__}: {cause}"
    return f"process {rank}: {said.splitlines()[0]}"


def digests_of_all(folder: Path, group: distributed.ProcessGroup) -> dict[str, str]:
    """SHA-256 of every process's file by name; each reads its own again."""
    own, of_all = {}, [{}] * distributed.get_world_size(group)
    for path in folder.glob(f"shard-{distributed.get_rank(group) + 1:05d}-*"):
        with open(path, "rb") as file:
            own[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    distributed.all_gather_object(of_all, own, group=group)
    return {name: digest for digests in of_all for name, digest in digests.items()}


def made(folder: Path) -> Path:
    """The folder, which is new."""
    folder.mkdir(parents=True)
    return folder


def of_first(group: distributed.ProcessGroup, work: Callable[[], Result]) -> Result:
    """What the first process's work gives, in all of them. Raises OSError in all where it failed."""
    answer: list = [None, ""]
    if distributed.get_rank(group) == 0:
        try:
            answer[0] = work()
        except OSError as error:
            answer[1] = reason(error)
    distributed.broadcast_object_list(answer, src=0, group=group)
    if answer[1]:
        raise OSError(answer[1])
    return answer[0]
