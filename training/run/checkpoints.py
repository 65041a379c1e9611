"""Checkpoints from which a killed run resumes bit for bit.

`runs/<name>/checkpoints/step-N/` is written aside under a new name, forced to the disk and renamed. It holds
  model.safetensors      the weights                  optimizer.safetensors  the optimiser's state
  random.safetensors     the generators' states       <name>.safetensors     other tensors, such as the average
  state.json             position and counters        manifest.json          SHA-256 of each of these files
The learning rate needs no state: it is a function of the step. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from system.atomic_files import aside_of, kind_of, reason, remove, replace_folder, write_synced
from system.errors import UserError
from system.from_disk import read_typed
from system.terminal import shown
from training.run.folder import metrics_size
from training.weights import as_bytes, check_alike, read_tensors, restore_weights, weights_of

Tensors = dict[str, Tensor]
WHOLE = ("random.safetensors", "state.json")  # in every checkpoint
OF_ONE = ("model.safetensors", "optimizer.safetensors")  # in one that a single process has written
OF_MANY = "shard-"  # how the files begin that several have written (training/run/sharded_checkpoints.py)
ADAM = ("step", "exp_avg", "exp_avg_sq")  # the state of a weight
AVERAGES = ("average", "best")  # other tensors that have the weights' names and shapes
MEND = "delete that checkpoint, and --resume takes the one before it"


class CheckpointError(UserError):
    """A checkpoint cannot be written, or none can be read. Its text is one line."""


@dataclass
class Position:
    """The position of training between two optimiser steps."""

    phase: str  # "pretraining" or "training"
    step: int = 0  # optimiser steps done in this phase, the skipped ones included
    total_step: int = 0  # the same over all phases: names the checkpoint
    epoch: int = 0  # epoch of the next batch
    chunk: int = 0  # chunk of that epoch (training/stream.py)
    batch: int = 0  # index of the next batch in its chunk
    counters: dict[str, float] = field(default_factory=dict)  # tokens seen, steps skipped, best held-out loss, ...


@dataclass
class State:
    """What state.json holds."""

    position: Position
    metrics_bytes: int
    between: bool = False


@dataclass
class Checkpoint:
    """A checkpoint that was found whole."""

    folder: Path
    position: Position
    metrics_bytes: int  # length of metrics.jsonl when it was saved
    between: bool = False  # saved because the run was stopped, between two that were due


def save_checkpoint(
    run: Path,
    position: Position,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    more: dict[str, Tensors | None] | None = None,
    keep: int = 2,
    between: bool = False,
) -> Path:
    """Save everything a resumed run needs, then delete all but the newest `keep` checkpoints that were due.

    more: other named tensors, such as {"average": ...}; None values are left out. Raises CheckpointError when it
    cannot be written (full disk): the checkpoints that were there stay, and nothing half-written is left.
    """
    folder = run / "checkpoints" / f"step-{position.total_step}"
    aside = aside_of(folder)
    try:
        aside.mkdir(parents=True)
        tensors = {"model": weights_of(model), "optimizer": optimizer_tensors(optimizer), **(more or {})}
        files = ((f"{name}.safetensors", as_bytes(own)) for name, own in tensors.items() if own is not None)
        complete(aside, folder, chain(files, small_files(run, position, between)), {})
    except OSError as error:
        remove(aside)
        raise CheckpointError(f"{folder} could not be written ({reason(error)}); earlier checkpoints stay") from error
    delete_older(run, position.total_step, keep)
    return folder


def complete(aside: Path, folder: Path, files: Iterable[tuple[str, bytes]], digests: dict[str, str]) -> None:
    """Write these files (name, content), one at a time in memory, and the manifest; then rename aside to folder.

    digests: of files that are there already. Raises OSError.
    """
    for name, content in files:
        write_synced(aside / name, content)
        digests[name] = hashlib.sha256(content).hexdigest()
    write_synced(aside / "manifest.json", json.dumps(digests, indent=2).encode())
    replace_folder(aside, folder)


def small_files(run: Path, position: Position, between: bool) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files without weights."""
    yield "random.safetensors", as_bytes(random_states())
    state = {"position": asdict(position), "metrics_bytes": metrics_size(run), "between": between}
    yield "state.json", json.dumps(state, indent=2).encode()


def find_checkpoint(run: Path) -> Checkpoint | None:
    """Find the newest undamaged checkpoint of a run, or None where it has none at all.

    A damaged one is named in a line on stderr and the one before it is taken. Raises CheckpointError when
    there are checkpoints and none is whole.
    """
    folders = checkpoint_folders(run)
    for folder in folders:
        damage = find_damage(folder)
        if damage is None:
            try:
                return read_checkpoint(folder)
            except UserError as error:  # whole, and made by something else
                damage = str(error)
        print(shown(f"{folder} is damaged ({damage}); taking the checkpoint before it"), file=sys.stderr)
    if folders:
        raise CheckpointError(f"{run}: none of its checkpoints is whole; start again with --overwrite")
    return None


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint without its tensors."""
    state = read_typed(folder / "state.json", State)
    return Checkpoint(folder, state.position, state.metrics_bytes, state.between)


def load_checkpoint(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensors]:
    """Put weights, optimiser state and random states back, and return the other tensors by name.

    Call it last, when everything that draws random numbers (initial weights) is built. Tensors that are read are the
    file itself, so those that stay are copied: Windows deletes no file that is in use. Raises UserError.
    """
    device = next(model.parameters()).device
    files = {path.stem: path for path in sorted(checkpoint.folder.glob("*.safetensors"))}
    random_file, model_file = files.pop("random"), files.pop("model")
    restore_weights(read_tensors(model_file, device), model, model_file)
    optimizer_file = files.pop("optimizer")
    restore_optimizer(copied(read_tensors(optimizer_file, device)), optimizer, optimizer_file)
    read_random_states(random_file)
    more = {name: copied(read_tensors(path, device)) for name, path in files.items()}
    for name in more.keys() & {*AVERAGES}:
        check_alike(more[name], dict(model.named_parameters()), files[name], exactly=True)
    return more


def copied(tensors: Tensors) -> Tensors:
    """The same tensors in memory of their own."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


def checkpoint_folders(run: Path) -> list[Path]:
    """Finished checkpoints, newest first; one that was being replaced when its run was killed counts too."""
    numbered = []
    for folder in (run / "checkpoints").glob("step-*"):
        number, _, rest = folder.name.removeprefix("step-").partition(".")
        if number.isdigit() and rest in ("", "replaced"):
            numbered.append((int(number), rest == "", folder))
    return [folder for *_, folder in sorted(numbered, reverse=True)]


def find_damage(folder: Path) -> str | None:
    """The damage of a checkpoint in words, or None when every file is as it was written."""
    try:
        for path in folder.iterdir():  # who opened a pipe would wait for its writer
            if path.exists() and not path.is_file():
                return f"{path.name} is {kind_of(path)}, not a file"
        digests = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        needed = WHOLE if any(name.startswith(OF_MANY) for name in digests) else WHOLE + OF_ONE
        if missing := [name for name in needed if name not in digests]:
            return f"manifest.json does not name {missing[0]}"
        for name, digest in digests.items():
            with open(folder / Path(name).name, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return f"{name} was changed"
        if unnamed := [path.name for path in folder.glob("*.safetensors") if path.name not in digests]:
            return f"manifest.json does not name {unnamed[0]}"
    except OSError as error:
        return f"{Path(error.filename).name}: {reason(error)}"
    except (ValueError, AttributeError, TypeError, RecursionError):
        return "manifest.json cannot be read"
    return None


def delete_older(run: Path, newest: int, keep: int) -> None:
    """Delete all but the `keep` checkpoints up to step `newest`, and what killed runs left half-done.

    Later ones than `newest` are of a run that went on from before them: they were damaged. One that a stop saved stays
    while an older one does, and is not counted: a run that was stopped has the others of one that was not.
    """
    kept, n_due = [], 0
    for folder in checkpoint_folders(run):
        if int(folder.name.split("-")[1].split(".")[0]) <= newest and n_due < max(1, keep):
            kept.append(folder)
            n_due += not is_between(folder)
    for folder in (run / "checkpoints").glob("step-*"):
        if folder not in kept:
            with contextlib.suppress(PermissionError):  # on Windows, where somebody has a file of it open: next time
                remove(folder)


def is_between(folder: Path) -> bool:
    """Whether a checkpoint was saved by a stop, between two that were due; a damaged one counts as due."""
    try:
        return read_checkpoint(folder).between
    except (OSError, UserError):
        return False


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The state of every weight as "<index>.<name>", such as "12.exp_avg"."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, values in state.items() for name, tensor in values.items()}


def restore_optimizer(tensors: Tensors, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Put back what `optimizer_tensors` gave. The groups' settings are those of the configuration.

    Raises UserError where it is not the state of these weights: a fused step reads and writes the memory behind a
    tensor that is too small.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    own: Tensors = {}
    state: dict[int, Tensors] = {}
    for index, weight in enumerate(weights):
        if any(f"{index}.{name}" in tensors for name in ADAM):  # a weight that had no gradient yet has no state
            own |= {f"{index}.{name}": torch.zeros(()) if name == "step" else weight for name in ADAM}
            state[index] = {name: tensors.get(f"{index}.{name}") for name in ADAM}
    check_alike(tensors, own, path, exactly=True)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_states() -> Tensors:
    """The states of torch's generators, from which dropout draws. Data draws from generators without a state."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def read_random_states(path: Path) -> None:
    """Put back the generators' states that a file holds. Raises UserError."""
    try:
        restore_random_states(read_tensors(path))
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{path} holds no states of random generators ({error}); {MEND}") from error


def restore_random_states(states: Tensors) -> None:
    """Put back the states of the generators that this machine has."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            if f"cuda.{index}" in states:
                torch.cuda.set_rng_state(states[f"cuda.{index}"], index)
    if torch.backends.mps.is_available() and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
