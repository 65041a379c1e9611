"""Shards, for a network that is too large to be copied: of N processes each keeps 1/N of every weight.

PyTorch's FSDP2 does it (Zhao et al. 2023; the idea is Rajbhandari et al. 2020, stage 3). Each layer of the encoder and
of the decoder is a unit, and what is left of the network another. Before a unit's forward pass its weights are gathered
from all processes and freed after it, the same again in the backward pass, and of its gradient, the sum over all
processes, each gets its own part. Clipping, optimiser and moving average then see one part of every weight.

As with copies (training/parallel.py) the unit of work is a batch and each loss is divided by the number of real tokens
of the whole step, so the gradient is that of one process. But gathering is done by all processes together: the batches
of one round, of which each process has one, must use the same modules. `check_sharding` refuses what could not.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.optim import Optimizer

from data.batches import Batch
from data.objectives.table import OBJECTIVES
from model.transformer import Transformer
from system.device import autocast
from system.errors import UserError
from training.batch_loss import batch_loss
from training.config import LoopConfig, ObjectivesConfig, ParallelConfig
from training.corpus import Corpus
from training.meeting import gather
from training.parallel import Ranks
from training.run.checkpoints import Checkpoint, small_files
from training.run.sharded_checkpoints import load_parts, named_tensors, save_parts
from training.run.state import Run
from training.strategies.config import LayersConfig, StrategiesConfig
from training.stream import Stream

LONG = timedelta(days=1000)  # for checkpoints; a process that ends meanwhile is noticed (training/ending.py)
OTHERWISE = "or take --parallel.mode copies"


class BatchLoss(nn.Module):
    """The loss of a batch as a module: weights are gathered before a module's forward pass and freed after it."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
        """As `batch_loss`."""
        return batch_loss(self.model, batch, label_smoothing)


def share(loss: BatchLoss, mesh: DeviceMesh) -> None:
    """Let the processes share the weights: each layer is a unit, and what is left of the network another."""
    for unit in (*loss.model.encoder, *loss.model.decoder, loss):
        fully_shard(unit, mesh=mesh)
    for unit in loss.modules():
        if isinstance(unit, FSDPModule):  # the gradient is the processes' sum; FSDP2 would take the mean
            unit.set_gradient_divide_factor(1.0)
            unit.set_force_sum_reduction_for_comms(True)


@dataclass
class Shards:
    """A network whose weights the processes share, for the length of a phase."""

    run: Run
    loop: LoopConfig
    ranks: Ranks
    empty: Transformer = field(init=False)  # the network's modules with weights that take no memory
    loss: BatchLoss = field(init=False)
    group: distributed.ProcessGroup = field(init=False)  # for what may take long: checkpoints
    writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1), init=False)
    saving: Future | None = field(default=None, init=False)  # the checkpoint that is being written

    def __post_init__(self) -> None:
        """Share the run's network, which is the same in all processes, among them."""
        model, mesh = self.run.model, mesh_of(self.run.settings.parallel, self.ranks, self.run.device)
        self.empty = with_weights(model, {name: empty_like(weight) for name, weight in model.named_parameters()})
        self.loss = BatchLoss(model)
        share(self.loss, mesh)
        self.group = distributed.new_group(backend="gloo", timeout=LONG)

    def gradient(self, batch: Batch, n_tokens: int) -> float:
        """Backward pass of a batch of a step that predicts so much, with the other processes' of its round.

        Returns the sum of the batch's own loss.
        """
        with autocast(self.run.device, self.loop.bf16):
            loss, _ = self.loss(batch, self.loop.label_smoothing)
        (loss / n_tokens).backward()
        return loss.item()

    def held_out(self, run: Run, stream: Stream) -> tuple[float, int]:
        """As `own_held_out` (training/early_stopping.py), in rounds in which each process has a batch.

        In the last round a process may have no batch. It computes the round's first one too, and does not count it.
        """
        total, tokens, planned = 0.0, 0, stream.planned_epoch()
        while of_round := list(islice(planned, self.ranks.world)):
            has_own = self.ranks.rank < len(of_round)
            batch = stream.collated(of_round[self.ranks.rank if has_own else 0])
            loss, n = self.loss(batch.to(run.device), 0.0)
            if has_own:
                total, tokens = total + float(loss), tokens + n
        self.loss.reshard()  # without a backward pass the last unit is still whole
        return total, tokens

    def save(self, optimizer: Optimizer, more: dict[str, dict[str, Tensor] | None], keep: int, between: bool) -> None:
        """As `save_checkpoint` of the run, each process its part. Raises CheckpointError in all.

        With `save_meanwhile` a thread writes a copy, and what has failed in it is raised by the next call.
        """
        self.finish_saving()
        folder, position, meanwhile = self.run.folder, self.run.position, self.run.settings.parallel.save_meanwhile
        tensors, files = named_tensors(self.run.model, optimizer, more), [*small_files(folder, position, between)]
        if meanwhile:
            tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        what = self.group, folder, position.total_step, tensors, files, keep
        if meanwhile and not self.run.stop:
            self.saving = self.writer.submit(save_parts, *what)
        else:
            save_parts(*what)

    def finish_saving(self) -> None:
        """Wait until the last checkpoint is written. Raises CheckpointError where it could not be."""
        if self.saving is not None:
            saving, self.saving = self.saving, None
            saving.result()

    def load(self, checkpoint: Checkpoint, optimizer: Optimizer) -> dict[str, dict[str, Tensor]]:
        """As `load_checkpoint` into the network, each process its part. Raises UserError."""
        return load_parts(checkpoint, self.run.model, optimizer, self.group)

    @torch.no_grad()
    def gathered(self) -> Transformer:
        """A plain network with the whole weights, in each process."""
        self.finish_saving()
        weights = {name: weight.full_tensor() for name, weight in self.run.model.named_parameters()}
        return with_weights(self.empty, weights)


def mesh_of(config: ParallelConfig, ranks: Ranks, device: torch.device) -> DeviceMesh:
    """The processes as a row that shares the weights, or as a table: rows of copies, each of which shares them."""
    if not distributed.is_initialized():  # one process alone
        gather(ranks.rank, ranks.world, ranks.store, ranks.patience)
    within = config.shard_over or ranks.world
    if within == ranks.world:
        return init_device_mesh(device.type, (within,), mesh_dim_names=("shards",))
    table = torch.arange(ranks.world).view(-1, within)  # (copies, shards) of ranks
    patience = timedelta(seconds=ranks.patience)  # a mesh's own groups would wait for half an hour
    groups = [
        distributed.new_subgroups_by_enumeration(lists.tolist(), timeout=patience)[0] for lists in (table.T, table)
    ]
    return DeviceMesh.from_group(groups, device.type, mesh=table, mesh_dim_names=("copies", "shards"))


def empty_like(weight: Tensor) -> Tensor:
    """A tensor of the same shape that takes no memory."""
    return torch.empty_like(weight, device="meta")


def with_weights(model: Transformer, weights: dict[str, Tensor]) -> Transformer:
    """A copy of a network with other weights (name -> whole weight); tied ones are tied, frozen ones frozen again."""
    instead = {
        id(weight): nn.Parameter(weights[name], requires_grad=weight.requires_grad)
        for name, weight in model.named_parameters()
    }
    return copy.deepcopy(model, instead)  # what deepcopy takes for copied already is not copied


def check_sharding(run: Run, corpora: dict[str, Corpus]) -> None:
    """Refuse what cannot be trained in shards. Raises UserError, of one line."""
    settings, world = run.settings, run.ranks.world
    within = settings.parallel.shard_over
    if within and world % within:
        raise UserError(
            f"parallel.shard_over={within} does not divide the {world} processes that train; give a divisor, or 0"
        )
    if scalars := [name for name, weight in run.model.named_parameters() if weight.dim() == 0]:
        raise UserError(
            f"parallel.mode fsdp cannot share {scalars[0]}, a single number; leave out --model.match_head, {OTHERWISE}"
        )
    if setting := strategy_beyond(settings.strategies):
        raise UserError(
            f"strategies.{setting} does not go with parallel.mode fsdp, which has plain training, lora and "
            f"layers.decay; leave it out, {OTHERWISE}"
        )
    for name in corpora:
        check_rounds(name, getattr(settings, name), world)


def check_rounds(name: str, loop: LoopConfig, world: int) -> None:
    """Refuse a phase in which not every process has a batch in every round, or of another kind. Raises UserError."""
    if loop.accumulate % world:
        raise UserError(
            f"{name}.accumulate={loop.accumulate} is no multiple of the {world} processes that share the weights; "
            f"give --{name}.accumulate {-(-loop.accumulate // world) * world}, or fewer --parallel.processes"
        )
    kinds = kinds_of(loop.objectives)
    if world > 1 and len(kinds) > 1:
        raise UserError(
            f"{name}.objectives makes batches of different kinds ({', '.join(kinds)}), which use different weights; "
            f"in shards all processes use the same at a time: choose objectives of one kind, {OTHERWISE}"
        )


def kinds_of(objectives: ObjectivesConfig) -> Sequence[str]:
    """The kinds of batches that a phase may have."""
    return sorted({row.kind for name, row in OBJECTIVES.items() if getattr(objectives, name)})


def strategy_beyond(config: StrategiesConfig) -> str:
    """The first strategy that is on and that shards do not have, or ""."""
    plain = StrategiesConfig(lora=config.lora, layers=LayersConfig(decay=config.layers.decay))
    changed = [name for name, value in vars(config).items() if value != getattr(plain, name)]
    return changed[0] if changed else ""
