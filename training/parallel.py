"""Several processes that train one network: each has a copy of it and computes its share of every step's batches.

The unit is a batch. A step has `accumulate` batches whatever the number of processes, in an order that depends on
(seed, epoch, id) alone; of N processes the k-th takes every N-th of them from the k-th on. Each divides its losses by
the number of real tokens of the *whole* step, so the sum of the processes' gradients is the gradient of one process
that computes all batches: a mean of the processes' means is another number where their batches differ in length.

    own               the batches of a step that this process computes
    exchange          the sum of all gradients, after the backward passes of a step and before clipping
    wait_for_first    until the first process has saved what it alone saves

Only the first process (rank 0) writes files and prints. The processes are started by torchrun, or by `python train.py`
itself (training/processes.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy
import torch
from torch import Tensor, distributed, nn

from system.errors import UserError
from training.config import ParallelConfig
from training.processes import STARTED, STORE, end_with_parent, lost_process

Settings = TypeVar("Settings")

PATIENCE = timedelta(seconds=60)  # for another process in an exchange: all have the same work in a step
LONG = timedelta(days=1000)  # for the first process's longer work: tokenizer, checkpoint


@dataclass
class Ranks:
    """The processes that train together, as one of them sees them."""

    rank: int  # of this process; 0 is the first
    world: int  # how many there are
    store: distributed.Store
    n_waits: int = 0  # how often the others have waited for the first one, the same number in all

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def own(self, n_batches: int) -> range:
        """The numbers of this process's share of a step's batches."""
        return range(self.rank, n_batches, self.world)

    def exchange(self, model: nn.Module, figures: Sequence[float]) -> list[float]:
        """Give every weight the sum of its gradients in all processes; one that no process used keeps None.

        All gradients travel as one vector: many small messages would each wait for the slowest process. Returns the
        sums of the figures.
        """
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        sums = self.total(*figures, *(weight.grad is not None for weight in weights))
        used = sums[len(figures) :]
        weights = [weight for weight, n in zip(weights, used, strict=True) if n]
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        if weights and self.world > 1:
            self.sum_gradients(weights)
        return sums[: len(figures)]

    def sum_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Give these weights, which all have a gradient, the sum of the processes' gradients."""
        gradients = [weight.grad for weight in weights]
        flat = torch.cat([gradient.flatten() for gradient in gradients])  # (n of all weights)
        self.reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        summed = [part.view_as(gradient) for part, gradient in zip(flat.split(sizes), gradients, strict=True)]
        torch._foreach_copy_(gradients, summed)

    def total(self, *numbers: float) -> list[float]:
        """The sum of each number over all processes, the same in all of them."""
        sums = torch.tensor([float(number) for number in numbers], dtype=torch.float64)
        self.reduce(sums)
        return sums.tolist()

    def reduce(self, numbers: Tensor) -> None:
        """Put the sum over all processes into a tensor. Raises UserError in one process where another one is lost."""
        if self.world == 1:
            return
        try:
            distributed.all_reduce(numbers)
        except RuntimeError as error:
            self.give_up(error)

    def give_up(self, error: RuntimeError) -> NoReturn:
        """End this process after an exchange that has failed. Raises UserError in one process, which says why."""
        if self.first_to_say("lost"):
            raise UserError(f"{who_is_lost(self.rank, self.world, str(error))}; go on with --resume") from error
        raise SystemExit(2) from None

    def first_to_say(self, what: str) -> bool:
        """Whether no other process has said this before; also where the store is gone with its process."""
        try:
            return self.store.compare_set(what, "", str(self.rank)) == str(self.rank).encode()
        except RuntimeError:
            return True

    def log_to(self, folder: Path) -> None:
        """Let the first process alone use the terminal: what the others print goes to rank-K.log in this folder."""
        if self.first:
            for others in STARTED:
                others.logs = folder
            return
        folder.mkdir(exist_ok=True)
        log = open(folder / f"rank-{self.rank}.log", "ab")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())

    def wait_for_first(self) -> None:
        """Wait, however long it takes, until the first process has come here too."""
        self.n_waits += 1
        if self.first:
            self.store.set(f"done {self.n_waits}", "")
        else:
            self.store.wait([f"done {self.n_waits}"], LONG)


def who_is_lost(rank: int, world: int, error: str) -> str:
    """What is known of the process that an exchange has failed for, from its error."""
    if known := lost_process():
        return known
    how = f"has not answered for {PATIENCE.seconds} s" if "imed out" in error else "is gone"
    return f"process {rank} of {world} was in an exchange of gradients, and another one {how}"


def seed_batch(seed: int, step: int, number: int) -> None:
    """Seed torch's generators for one batch, so that dropout is the same whichever process computes it."""
    entropy = numpy.random.SeedSequence((seed % 2**64, step, number))
    torch.manual_seed(int(entropy.generate_state(1, numpy.uint64)[0]))


@contextmanager
def ended_by_a_loss(ranks: Ranks | None) -> Iterator[None]:
    """Inside the `with` an exchange that fails, PyTorch's own too, says which process is lost and ends this one."""
    try:
        yield
    except RuntimeError as error:
        if ranks is None or not (isinstance(error, distributed.DistError) or "gloo" in str(error)):
            raise
        ranks.give_up(error)


@contextmanager
def in_first(run: Any) -> Iterator[bool]:
    """Inside the `with` the first process works (True) and all others wait (False), however long it takes."""
    yield run.writes
    if run.ranks is not None:
        run.ranks.wait_for_first()


@contextmanager
def in_turn(ranks: Ranks | None) -> Iterator[None]:
    """Inside the `with` the first process is alone, then all others are: they find in caches what it has made."""
    if ranks is not None and not ranks.first:
        ranks.wait_for_first()
    yield
    if ranks is not None and ranks.first:
        ranks.wait_for_first()


def join(config: ParallelConfig) -> Ranks | None:
    """The processes that this one was started with, or None where it trains alone, as it does by default."""
    if "WORLD_SIZE" not in os.environ:
        return Ranks(0, 1, distributed.HashStore()) if config.mode != "none" else None
    rank, world, store = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), None
    if STORE in os.environ:  # started by python train.py
        end_with_parent()
        os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
        store = distributed.FileStore(os.environ[STORE], world)
    meet(rank, world, store)
    return Ranks(rank, world, store or distributed.distributed_c10d._get_default_store())


def meet(rank: int, world: int, store: distributed.Store | None) -> None:
    """Connect this process with the others; again nothing is done."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if not distributed.is_initialized():
        distributed.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)


def with_mode(settings: Settings, ranks: Ranks | None) -> Settings:
    """Settings that say how the run is trained: what several processes have begun is gone on with in their way.

    Raises UserError where a setting of shards stands alone.
    """
    parallel = settings.parallel
    if parallel.mode != "fsdp" and (parallel.shard_over or parallel.save_meanwhile):
        name = "shard_over" if parallel.shard_over else "save_meanwhile"
        raise UserError(f"parallel.{name} is a setting of shards; add --parallel.mode fsdp, or leave it out")
    if ranks is None or parallel.mode != "none":
        return settings
    return replace(settings, parallel=replace(parallel, mode="copies"))
