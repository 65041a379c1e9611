"""The state that a run of train.py keeps in memory from its first phase to its last."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from data.tokenizers.tokenizer import Tokenizer
from model.transformer import Transformer
from training.recipes import TrainingSettings
from training.run.checkpoints import Position


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
    stop: bool = False  # Ctrl-C or SIGTERM came: save and leave after this step

    @property
    def wall_seconds(self) -> float:
        """How long the run has taken so far, reading and scoring included."""
        return self.earlier_seconds + time.monotonic() - self.began
