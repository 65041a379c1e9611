"""One command of train.py with its time measured and its scoring left out; prints one line of JSON.

    python -m experiments.speed.parallel_worker copies|ddp|none TRAIN.PY'S ARGUMENTS

`ddp`: DistributedDataParallel exchanges the gradients in the place of training/parallel.py. Who starts the other
processes is train.py's own rule (training/processes.py).
"""

from __future__ import annotations

import time

BEGAN = time.monotonic()  # before torch loads: a first step counts from here

import sys

from training.processes import start_others

if __name__ == "__main__":
    start_others(sys.argv[2:])

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import train
from data.batches import Batch
from model.transformer import Transformer
from system.errors import UserError
from system.platform import peak_memory_mib
from training.config import LoopConfig
from training.parallel import Ranks
from training.run.state import Run
from training.state import Phase


def ddp_gradient(network: Transformer, loop: LoopConfig) -> Callable[[Batch, int], float]:
    """The gradient of a batch by DDP, which exchanges while it goes back; it takes means, we need sums."""
    from training.sharded import BatchLoss  # which loads what the other ways do not need

    wrapped = DistributedDataParallel(BatchLoss(network), find_unused_parameters=True)
    world = distributed.get_world_size()

    def gradient(batch: Batch, n_tokens: int) -> float:
        loss, _ = wrapped(batch, loop.label_smoothing)
        (loss * world / n_tokens).backward()
        return loss.item()

    return gradient


class Stopwatch:
    """Seconds inside functions, by a name for each; what runs inside another one counts there alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.first_step = 0.0  # since the process began

    def around(self, owner: Any, function: str, name: str) -> None:
        """Measure every call of a function of a class or a module."""
        inner = getattr(owner, function)

        def measured(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return inner(*arguments, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
                if name == "step" and not self.first_step:
                    self.first_step = time.monotonic() - BEGAN

        setattr(owner, function, measured)


def measured_run(how: str, arguments: list[str]) -> dict[str, Any]:
    """Train as the arguments say and return what was measured; {} in any process but the first."""
    watch, found = Stopwatch(), {}
    watch.around(Ranks, "total", "waiting")
    watch.around(Ranks, "sum_gradients", "exchange")
    watch.around(torch.optim.AdamW, "step", "optimizer")
    watch.around(train, "take_step", "step")
    original = train.start_phase, train.sum_memory

    def start_phase(run: Run, *others: Any) -> Phase:
        phase = original[0](run, *others)
        if how == "ddp":
            phase.gradient = ddp_gradient(run.model, phase.loop)
        return phase

    def sum_memory(run: Run) -> None:
        original[1](run)
        if run.writes:
            found.update(tokens=run.position.counters["tokens"], seconds=run.position.counters["seconds"],
                         cpu_seconds=run.position.counters["cpu_seconds"],
                         memory_mib=peak_memory_mib() + run.memory_of_others)  # fmt: skip

    train.start_phase, train.sum_memory = start_phase, sum_memory
    train.evaluate_run = train.show_results = train.write_budget = lambda *_: None
    if how == "ddp":
        Ranks.sum_gradients = lambda *_: None
    status = train.main(arguments)
    if status:
        raise UserError(f"train.py ended with status {status}")
    if found:
        parts = ("waiting", "exchange", "optimizer")
        shares = {name: watch.seconds.get(name, 0.0) / found["seconds"] for name in parts}
        found |= {"shares": shares, "first_step": watch.first_step}
    return found


if __name__ == "__main__":
    line = measured_run(sys.argv[1], sys.argv[2:])
    if line:
        print("measured " + json.dumps(line), flush=True)
