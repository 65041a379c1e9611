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
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy
import torch
from torch import Tensor, distributed, nn

from system.errors import UserError
from training.config import ParallelConfig
from training.ending import log_into, lost, wait_patiently
from training.meeting import gather, meet
from training.processes import STARTED

Settings = TypeVar("Settings")


@dataclass
class Ranks:
    """The processes that train together, as one of them sees them."""

    rank: int  # of this process; 0 is the first
    world: int  # how many there are
    store: distributed.Store
    patience: float = 60.0  # seconds for another process in an exchange: all have the same work in a step
    n_waits: int = 0  # how often the others have waited for the first one, the same number in all
    exchanging: float = 0.0  # seconds in exchanges that nobody has been told of

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
        began = time.monotonic()
        try:
            distributed.all_reduce(numbers)
        except RuntimeError as error:
            raise self.failed(error, time.monotonic() - began) from error
        self.exchanging += time.monotonic() - began

    def collect(self, own: bytes) -> list[bytes]:
        """What every process gives, in their order: a sum of vectors in which each has filled its place alone."""
        sizes = [int(n) for n in self.total(*(len(own) * (rank == self.rank) for rank in range(self.world)))]
        flat = torch.zeros(sum(sizes), dtype=torch.uint8)
        flat.split(sizes)[self.rank].copy_(torch.frombuffer(bytearray(own), dtype=torch.uint8))
        self.reduce(flat)
        return [part.numpy().tobytes() for part in flat.split(sizes)]

    def failed(self, error: RuntimeError, waited: float = 0.0) -> UserError:
        """What to raise for an exchange that has failed after so many seconds: it says which process is lost."""
        silent = waited >= self.patience or "imed out" in str(error)
        return lost(self.rank, self.world, self.store, max(waited, self.patience) if silent else 0.0)

    def told(self) -> list[float]:
        """The figures by which an exchange tells all how long each process was in exchanges since it last told."""
        seconds, self.exchanging = self.exchanging, 0.0
        return [seconds if rank == self.rank else 0.0 for rank in range(self.world)]

    def log_to(self, folder: Path) -> None:
        """Let the first process alone use the terminal: what the others print goes to rank-K.log in this folder."""
        if self.first:
            for others in STARTED:
                others.logs = folder
            return
        folder.mkdir(exist_ok=True)
        log_into(folder / f"rank-{self.rank}.log")

    def wait_for_first(self) -> None:
        """Wait, however long it takes, until the first process has come here too. Raises UserError where it ends."""
        self.n_waits += 1
        if self.first:
            self.store.set(f"done {self.n_waits}", "")
        else:
            self.await_key(f"done {self.n_waits}")

    def await_key(self, key: str) -> None:
        """Wait, however long it takes, for what another process says in the store. Raises UserError where one ends."""
        wait_patiently(self.world, self.store, key)


def exchange_figures(exchanging: Sequence[float], seconds: float) -> dict[str, float]:
    """What metrics.jsonl says of several processes: the share of the time in exchanges, and who is waited for."""
    if len(exchanging) < 2:
        return {}
    # Another process may have begun to wait for the first one before that one's clock did.
    shares = [min(1.0, there / max(seconds, 1e-9)) for there in exchanging]
    return {"exchange_share": sum(shares) / len(shares), "slowest_process": shares.index(min(shares))}


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
        raise ranks.failed(error) from error


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
    rank, world, store = meet()
    if not distributed.is_initialized():
        gather(rank, world, store, config.patience)
    return Ranks(rank, world, store, config.patience)


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
