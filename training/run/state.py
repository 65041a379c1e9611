"""The state that a run of train.py keeps in memory from its first phase to its last."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from data.tokenizers.tokenizer import Tokenizer
from model.transformer import Transformer
from training.parallel import Ranks
from training.recipes import TrainingSettings
from training.run.checkpoints import Position

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass
class Run:
    """The state that both phases share."""

    folder: Path
    settings: TrainingSettings
    device: torch.device
    tokenizer: Tokenizer
    model: Transformer
    position: Position  # where training stands: what a checkpoint remembers
    began: float  # time.monotonic() at the start of the command
    teacher: Transformer | None = None  # whose probabilities fine-tuning learns too
    earlier_seconds: float = 0.0  # that earlier commands worked on this run, up to their last checkpoint
    stop: bool = False  # save and leave after this step
    asked_to_stop: bool = False  # Ctrl-C or SIGTERM came to this process
    ranks: Ranks | None = None  # the processes that train together; None: this one trains alone
    events: SummaryWriter | None = None  # of --tracking tensorboard
    memory_of_others: float = 0.0  # MiB, the peaks of the other processes

    @property
    def writes(self) -> bool:
        """Whether this process writes into the run's folder."""
        return self.ranks is None or self.ranks.first

    @property
    def shares_weights(self) -> bool:
        """Whether this process has but a part of every weight (training/sharded.py)."""
        return self.ranks is not None and self.settings.parallel.mode == "fsdp"

    @property
    def n_processes(self) -> int:
        """How many processes train together."""
        return 1 if self.ranks is None else self.ranks.world

    @property
    def wall_seconds(self) -> float:
        """How long the run has taken so far, reading and scoring included."""
        return self.earlier_seconds + time.monotonic() - self.began
