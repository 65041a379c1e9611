"""Settings of the fine-tuning strategies (chapter 3.2). Each is off at its default."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class StrategiesConfig:
    """How fine-tuning differs from plain training on pairs."""

    last_layers: int = 0  # train only the heads and the last so many layers, decoder on top of encoder; 0: all
    unfreeze_every: int = 0  # steps after which one more layer is trained, from the top down; 0: all from the start
    layer_decay: float = 1.0  # learning rate of a layer over that of the layer above (Howard and Ruder 2018: 1 / 2.6)
    auxiliary: Literal["none", "tag", "mlm"] = "none"  # task of the encoder whose loss is added to that of the pairs
    auxiliary_weight: float = 0.3  # of that loss, a mean over its labels as the pairs' is over their tokens
    tasks: tuple[str, ...] = ()  # learnt beside the corpus's own: "summary" (code -> description), or other corpora
    task_temperature: float = 2.0  # a task's share is its size to the power of 1 over this
    adversary: Literal["none", "fgm", "freelb", "noise"] = "none"  # what is added to the source's embeddings
    epsilon: float = 0.5  # its norm for one source (fgm, noise), or the largest (freelb)
    ascents: int = 3  # passes of freelb, each with an addition that is worse for the network
    ascent_rate: float = 0.2  # length of freelb's step from one addition to the next
    meta: Literal["none", "fomaml", "reptile"] = "none"  # learn to learn tasks (training/strategies/meta.py)
    inner_rate: float = 0.01  # learning rate of the plain steps on one task
    inner_steps: int = 2  # how many of them
    perturb: float = 0.0  # share of the pairs whose description is changed a little (data/perturb.py)
    teacher: str = ""  # folder of a run whose probabilities are learnt too, and whose vocabulary is taken over
    sequence_level: bool = False  # train on what the teacher writes for the training descriptions
    teacher_weight: float = 0.5  # of what the teacher says; what is left is the pairs'
    temperature: float = 2.0  # by which the log-probabilities of both are divided
    lora_rank: int = 0  # train only products of two matrices this thin beside the queries' and values'; 0: off
    lora_alpha: float = 16.0  # such a product counts alpha / rank times
    average_checkpoints: int = 0  # the network becomes the mean of its last so many checkpoints; 0: off

    def __post_init__(self) -> None:
        for name in (
            "last_layers", "unfreeze_every", "auxiliary_weight", "epsilon", "ascent_rate", "lora_rank", "lora_alpha",
            "average_checkpoints",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"strategies.{name}={getattr(self, name)} must be at least 0")
        for name in ("teacher_weight", "perturb"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"strategies.{name}={getattr(self, name)} must be from 0 to 1")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"strategies.temperature={self.temperature} must be above 0")
        if not 1 <= self.task_temperature < math.inf:
            raise ValueError(f"strategies.task_temperature={self.task_temperature} must be at least 1")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"strategies.layer_decay={self.layer_decay} must be above 0 and at most 1")
        for name in ("ascents", "inner_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"strategies.{name}={getattr(self, name)} must be at least 1")
        if not 0 < self.inner_rate < math.inf:
            raise ValueError(f"strategies.inner_rate={self.inner_rate} must be above 0")
        if self.meta != "none" and (self.adversary != "none" or self.auxiliary != "none" or self.teacher):
            raise ValueError("strategies.meta has a loop of its own: leave out adversary, auxiliary and teacher")
        if self.sequence_level and not self.teacher:
            raise ValueError("strategies.sequence_level needs a teacher: give strategies.teacher a run folder")
        if self.teacher and not self.teacher_weight and not self.sequence_level:
            raise ValueError("strategies.teacher with a teacher_weight of 0 is not asked; raise it, or leave both out")
        if self.sequence_level and self.tasks:
            raise ValueError("strategies.sequence_level has the teacher write code, not other tasks: leave out tasks")
        if self.lora_rank and (self.last_layers or self.unfreeze_every):
            raise ValueError("strategies.lora_rank freezes the whole network; leave out last_layers and unfreeze_every")
        if self.last_layers and self.unfreeze_every:
            raise ValueError("strategies.last_layers and strategies.unfreeze_every both freeze; give one of them")
