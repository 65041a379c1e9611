"""`python train.py ... --parallel.dry_run RANKS`: what a step of so many processes needs, before there are so many.

One process takes a step as the first of RANKS, with a backend whose exchanges do nothing and with tensors that have
shapes and no memory (on a GPU with real ones), so a network is measured that this machine does not hold. The batch has
as many pairs of the longest source and target as data.batch_tokens allows; no corpus and no tokenizer is read.

    copies   each process has the network, and the gradients are summed once a step (training/parallel.py)
    shards   each has 1 / RANKS of every weight; layers are gathered before they compute (PyTorch's FSDP2)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from data.batches import Batch
from data.config import DataConfig
from model.fast import make_network
from model.transformer import Transformer
from system.device import find_device
from system.errors import UserError
from training.config import LoopConfig
from training.ema import start_average
from training.live_memory import LiveMemory
from training.optimizer import make_optimizer
from training.parallel import Ranks
from training.recipes import TrainingSettings
from training.recompute import recompute_layers
from training.sharded import BatchLoss, share
from training.strategies.config import StrategiesConfig

FIGURES = 4  # that an exchange sums beside one for each process and one for each weight (training/phase.py)
MIB = 1 << 20


@dataclass
class Needs:
    """What one process needs for a step, in bytes."""

    parameters: int
    gradients: int
    kept: int  # copies of the weights beside them: their moving average, the best so far
    activations: int  # what a forward pass leaves for its backward pass
    peak: int  # of everything at once
    exchanged: Counter[str]  # collective operation -> what it is given in a step
    world: int
    optimizer: int = 0  # Adam's two means of each weight, and its count of steps

    @property
    def sent(self) -> int:
        """Bytes that a process sends to others in a step: a sum in a ring passes everything round twice."""
        turns = sum(size * (2 if name.startswith("allreduce") else 1) for name, size in self.exchanged.items())
        return turns * (self.world - 1) // self.world


class Exchanged(TorchDispatchMode):
    """Inside the `with` the bytes are counted that collective operations are given, or give where that is more."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if any(kind is DTensor for kind in types):
            return NotImplemented  # its parts come here next
        if func.namespace == "c10d":
            self.sizes[func.__name__.partition(".")[0].strip("_")] += max(map(size_of, args))
        return func(*args, **(kwargs or {}))


class DryRanks(Ranks):
    """Processes of which this one alone is there, and that therefore learn nothing from each other."""

    def total(self, *numbers: float) -> list[float]:
        """The numbers themselves, after an exchange of as many bytes."""
        self.reduce(torch.zeros(len(numbers), dtype=torch.float64))
        return list(numbers)


def dry_run(settings: TrainingSettings) -> int:
    """Print what each process needs of memory and network in a step; returns exit status 0. Raises UserError."""
    check_dry(settings)
    world, device = settings.parallel.dry_run, find_device(settings.device)
    of_loop = settings.training if settings.fine_tunes or not settings.pretrains else settings.pretraining
    config = settings.model
    if not settings.init.from_:
        config = replace(config, vocab_size=settings.data.vocab_size)
    settings = replace(settings, model=config)
    found = {"copies": needs(settings, of_loop, world, device, shards=False)}
    if world > 1:
        found["shards"] = needs(settings, of_loop, world, device, shards=True)
    print(table(settings, of_loop, found))
    return 0


def check_dry(settings: TrainingSettings) -> None:
    """Refuse what a dry run does not know. Raises UserError."""
    if settings.strategies != StrategiesConfig():
        plain = StrategiesConfig()
        name = next(name for name, value in vars(settings.strategies).items() if value != getattr(plain, name))
        raise UserError(f"parallel.dry_run knows plain training alone; leave strategies.{name} out")
    if settings.model.speed != "fast":
        raise UserError("parallel.dry_run measures the fast network; leave --model.speed out")


def needs(settings: TrainingSettings, loop: LoopConfig, world: int, device: torch.device, shards: bool) -> Needs:
    """What the first of so many processes needs for a step. Raises UserError."""
    real = device.type == "cuda"
    if real:
        torch.cuda.reset_peak_memory_stats(device)
    with dry_processes(world):
        # The mesh has real numbers in it, so it is made before tensors lose their memory.
        mesh = init_device_mesh("cuda" if real else "cpu", (world,)) if shards else None
        with nullcontext() if real else FakeTensorMode(shape_env=ShapeEnv()):
            model = make_network(settings.model, pad_id=0)
            model = (model.to(device) if real else model).train()
            if settings.parallel.recompute:
                recompute_layers(model)
            loss = BatchLoss(model)
            if mesh is not None:
                share(loss, mesh)
            batch = longest_batch(settings.data, device if real else torch.device("cpu"))
            found = needs_of_gradients(loss, batch, loop, world, shards)
            if real:
                found.peak = torch.cuda.max_memory_allocated(device)
            optimizer = make_optimizer(model, loop)
            optimizer.step()  # makes its state, which is there from then on
            state = [value for of_weight in optimizer.state.values() for value in of_weight.values()]
            found.optimizer = size_of(state)
            found.peak += found.optimizer
    return found


def needs_of_gradients(loss: BatchLoss, batch: Batch, loop: LoopConfig, world: int, shards: bool) -> Needs:
    """Make the gradients of a step, and count; the optimiser's state is not there yet."""
    model, rounds = loss.model, math.ceil(loop.accumulate / world)  # rounds: batches that a process computes
    kept = [start_average(model) for copied in (loop.ema_decay, loop.patience) if copied]
    with LiveMemory(model, kept, batch.source, batch.source_mask) as memory:
        for _ in range(min(rounds, 2)):  # in the second one gradients are there already
            with Exchanged() as in_round:
                activations = backward(loss, batch, loop, memory)
        with Exchanged() as at_end:
            exchange(model, world, shards)
    weights = list(model.parameters())
    return Needs(
        parameters=size_of(weights),
        gradients=size_of([weight.grad for weight in weights]),
        kept=size_of([list(copy.values()) for copy in kept]),
        activations=activations,
        peak=memory.peak,
        exchanged=Counter({name: size * rounds for name, size in in_round.sizes.items()}) + at_end.sizes,
        world=world,
    )


@contextmanager
def dry_processes(world: int) -> Iterator[None]:
    """Inside the `with` this process is the first of so many, whose exchanges do nothing."""
    distributed.init_process_group("fake", rank=0, world_size=world, store=FakeStore())
    try:
        yield
    finally:
        distributed.destroy_process_group()


def longest_batch(data: DataConfig, device: torch.device) -> Batch:
    """A batch of as many pairs of the longest source (S tokens) and target (T) as a batch may have, B."""
    S, T = data.max_source_length, data.max_target_length
    B = max(1, data.batch_tokens // (S + T)) if data.batch_tokens else data.batch_examples
    source, target = (torch.zeros(B, length, dtype=torch.long, device=device) for length in (S, T))
    source_mask, target_mask = (torch.ones_like(ids, dtype=torch.bool) for ids in (source, target))
    target_mask.nonzero_memo = B * T  # a tensor without memory does not know how many tokens are real
    return Batch([], "seq2seq", source, source_mask, target, target_mask, target.clone(), None, B * (S + T))


def backward(loss: BatchLoss, batch: Batch, loop: LoopConfig, memory: LiveMemory) -> int:
    """Make the gradients of a batch, and return how many bytes the forward pass has left for it."""
    before = memory.now
    # Under autocast even here, where tensors without memory need no processor that is faster with it.
    with torch.autocast(batch.source.device.type, torch.bfloat16, enabled=loop.bf16):
        total, _ = loss(batch, loop.label_smoothing)
    activations = memory.now - before
    total.backward()
    return activations


def exchange(model: Transformer, world: int, shards: bool) -> None:
    """Exchange what processes do after the backward passes of a step."""
    ranks = DryRanks(0, world, FakeStore())
    figures = [0.0] * (FIGURES + world)
    if shards:  # each has its part of the gradient already
        ranks.total(*figures)
    else:
        ranks.exchange(model, figures)


def size_of(tensors: Any) -> int:
    """Bytes of a tensor, of the part of it that this process has, or of a list of those; 0 of anything else."""
    if isinstance(tensors, (list, tuple)):
        return sum(map(size_of, tensors))
    if isinstance(tensors, DTensor):
        return size_of(tensors.to_local())
    return tensors.numel() * tensors.element_size() if isinstance(tensors, Tensor) else 0


ROWS = {
    "parameters": "parameters", "gradients": "gradients", "optimiser's state": "optimizer", "kept weights": "kept",
    "activations": "activations", "most at a time": "peak", "sent in a step": "sent",
}  # fmt: skip


def table(settings: TrainingSettings, loop: LoopConfig, found: dict[str, Needs]) -> str:
    """The table that a person reads, in MiB of one process."""
    data, world = settings.data, settings.parallel.dry_run
    batch = longest_batch(data, torch.device("cpu"))
    pairs = f"{len(batch.source):,} pairs of {data.max_source_length:,} + {data.max_target_length:,} tokens"
    head = f"{world:,} processes; {loop.accumulate:,} batches a step, each of {pairs}"
    unit = "MiB of one process"
    width = max(map(len, (unit, *ROWS)))
    rows = [f"{unit:<{width}}" + "".join(f"{name:>14}" for name in found)]
    for name, attribute in ROWS.items():
        cells = (f"{getattr(of_mode, attribute) / MIB:14,.1f}" for of_mode in found.values())
        rows.append(f"{name:<{width}}" + "".join(cells))
    return "\n".join([head, *rows])
