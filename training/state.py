"""The state that one phase of training (pretraining or fine-tuning) keeps between steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from data.batches import Batch
from training.config import LoopConfig
from training.corpus import Corpus
from training.fine_tuning import Gradient, Strategies
from training.run.budget import Clock
from training.stream import StreamPosition


@dataclass
class Phase:
    """One phase while it runs."""

    name: str
    loop: LoopConfig
    corpus: Corpus
    total: int  # optimiser steps
    batches: Iterator[tuple[StreamPosition, Batch]]
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] | None  # moving average of the weights
    best: dict[str, Tensor] | None  # weights with the lowest held-out loss so far, kept when patience is set
    clock: Clock
    read: dict[str, int]  # bad records that were counted before the phase began
    gradient: Gradient | None = None  # what a strategy of fine-tuning has in place of the plain one
    strategies: Strategies | None = None  # that are on (chapter 3.2); None: all are off
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=50))  # of the last steps, for the bar
