"""The state that one phase of training (pretraining or fine-tuning) keeps between steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from data.batches import Batch
from training.batch_loss import n_predicted
from training.config import LoopConfig
from training.corpus import Corpus
from training.fine_tuning import Gradient, Strategies
from training.run.budget import Clock
from training.stream import Stream, StreamPosition

if TYPE_CHECKING:
    from training.sharded import Shards


@dataclass
class TrainingStep:
    """An optimiser step: the batches that this process computes, and figures of all of them."""

    batches: list[Batch]
    n_predicted: int  # tokens that enter the loss
    n_tokens: int  # real tokens of sources and targets
    ids: list[list[str]]  # of the examples of each batch
    flops: float = 0.0  # training FLOPs, once the gradient is there
    cpu_seconds: float | None = None  # of several processes since the phase began; None: this one's clock knows them

    @classmethod
    def of(cls, batches: list[Batch]) -> TrainingStep:
        """A step of these batches, all of which this process computes."""
        n_tokens, ids = sum(batch.n_tokens for batch in batches), [batch.ids for batch in batches]
        return cls(batches, sum(map(n_predicted, batches)), n_tokens, ids)


@dataclass
class Phase:
    """One phase while it runs."""

    name: str
    loop: LoopConfig
    corpus: Corpus
    total: int  # optimiser steps
    stream: Stream
    planned: Iterator[tuple[StreamPosition, TrainingStep]]  # steps to come, each with the position that follows it
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] | None  # moving average of the weights
    best: dict[str, Tensor] | None  # weights with the lowest held-out loss so far, kept when patience is set
    clock: Clock
    read: dict[str, int]  # bad records that were counted before the phase began
    gradient: Gradient | None = None  # what a strategy of fine-tuning has in place of the plain one
    strategies: Strategies | None = None  # that are on (chapter 3.2); None: all are off
    shards: Shards | None = None  # where processes share the weights; None: this one has the whole network
    exchanging: list[float] = field(default_factory=list)  # seconds of each of several processes in exchanges
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=50))  # of the last steps, for the bar
