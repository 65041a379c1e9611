"""The cost of a run so far: steps, real tokens, training FLOPs, time and memory (budget.json)."""

from __future__ import annotations

import time

from data.batches import Batch
from data.example import IGNORE
from model.config import ModelConfig
from model.heads import ENCODER_HEADS
from training.flops import encoder_flops, encoder_head_flops, forward_flops, training_flops, two_stream_flops

COUNTERS = ("steps", "examples", "tokens", "training_flops", "seconds", "cpu_seconds", "skipped_steps")


def real_lengths(batch: Batch) -> tuple[list[int], list[int]]:
    """The numbers of real tokens of each source and of each target."""
    return batch.source_mask.sum(dim=1).tolist(), batch.target_mask.sum(dim=1).tolist()


def batch_flops(config: ModelConfig, batch: Batch) -> int:
    """Training FLOPs of a batch at its real lengths."""
    sources, targets = real_lengths(batch)
    if batch.kind in ENCODER_HEADS:
        labels = (batch.labels != IGNORE).sum(dim=1).tolist()
        return training_flops(sum(encoder_head_flops(config, *pair, batch.kind) for pair in zip(sources, labels)))
    if batch.kind == "permutation":
        predicted = (batch.labels > 0).sum(dim=1).tolist()
        return training_flops(sum(two_stream_flops(config, *sizes) for sizes in zip(sources, targets, predicted)))
    flops = training_flops(sum(forward_flops(config, *pair) for pair in zip(sources, targets)))
    if batch.kind == "autoencoding":  # nothing goes back through the encoder
        flops -= sum(training_flops(forward) - forward for forward in (encoder_flops(config, s) for s in sources))
    return flops


class Clock:
    """A clock of wall and processor seconds since it was made; `counters` continue those of a checkpoint."""

    def __init__(self, counters: dict[str, float]) -> None:
        self.before = {name: counters.get(name, 0.0) for name in ("seconds", "cpu_seconds")}
        self.began = time.monotonic(), time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of this process since the clock was made."""
        return time.process_time() - self.began[1]

    def read(self, cpu_seconds: float | None = None) -> dict[str, float]:
        """The two counters as they stand now; cpu_seconds: of several processes, in the place of this one's."""
        cpu_seconds = self.cpu_seconds if cpu_seconds is None else cpu_seconds
        return {
            "seconds": self.before["seconds"] + time.monotonic() - self.began[0],
            "cpu_seconds": self.before["cpu_seconds"] + cpu_seconds,
        }
