"""Settings of the strategies of fine-tuning (chapter 3.2), a class for each that has several, with
the chapter's number; docs/strategies.md teaches them.

Each is off at its default. What is written here is read by commands that use no strategy, so it imports none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from system.bounds import Count, FromOne, NotNegative, Positive, Share, bounds, check_bounds


@dataclass(frozen=True)
class LayersConfig:
    """1: which layers learn, from when on, and how fast (Howard and Ruder 2018, 3.2 and 3.3)."""

    last: Count = 0  # train only the heads and the last so many layers, decoder on top of encoder; 0: all
    unfreeze_every: Count = 0  # steps after which one more layer is trained, from the top down; 0: all from the start
    # learning rate of a layer over that of the layer above (Howard and Ruder 2018: 1 / 2.6)
    decay: Annotated[float, bounds(above=0, most=1)] = 1.0

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.layers")
        if self.last and self.unfreeze_every:
            raise ValueError(
                "strategies.layers.last and strategies.layers.unfreeze_every both freeze; give one of them"
            )


@dataclass(frozen=True)
class AuxiliaryConfig:
    """2: a task of the encoder's that is learnt beside the pairs (Wang et al. 2021, 3.2; Devlin et al. 2019)."""

    task: Literal["none", "tag", "mlm"] = "none"  # its loss is added to that of the pairs
    weight: NotNegative = 0.3  # of that loss, a mean over its labels as the pairs' is over their tokens

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.auxiliary")


@dataclass(frozen=True)
class TasksConfig:
    """3: several tasks in one network (Raffel et al. 2020, 3.5.2; Wang et al. 2021)."""

    names: tuple[str, ...] = ()  # learnt beside the corpus's own: "summary" (code -> description), or other corpora
    temperature: Annotated[float, bounds(least=1)] = 2.0  # a task's share is its size to the power of 1 over this

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.tasks")


@dataclass(frozen=True)
class AdversaryConfig:
    """4: what is added to the source's embeddings (fgm: Miyato, Dai and Goodfellow 2017; freelb: Zhu et al. 2020)."""

    kind: Literal["none", "fgm", "freelb", "noise"] = "none"  # noise: fgm's control, which costs as much
    epsilon: NotNegative = 0.5  # norm of the addition for one source (fgm, noise), or the largest (freelb)
    ascents: FromOne = 3  # passes of freelb, each with an addition that is worse for the network
    ascent_rate: NotNegative = 0.2  # length of freelb's step from one addition to the next

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.adversary")


@dataclass(frozen=True)
class MetaConfig:
    """5: learn to learn tasks (fomaml: Finn et al. 2017, 5.2; reptile: Nichol et al. 2018)."""

    kind: Literal["none", "fomaml", "reptile"] = "none"  # what the steps on one task make of the weights
    inner_rate: Positive = 0.01  # learning rate of the plain steps on one task
    inner_steps: FromOne = 2  # how many of them

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.meta")


@dataclass(frozen=True)
class TeacherConfig:
    """6: another run's network to learn from (Hinton et al. 2015; Kim and Rush 2016)."""

    run: str = ""  # folder of a run whose probabilities are learnt too, and whose vocabulary is taken over
    sequence_level: bool = False  # train on what the teacher writes for the training descriptions
    weight: Share = 0.5  # of what the teacher says; what is left is the pairs'
    temperature: Positive = 2.0  # by which the log-probabilities of both are divided

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.teacher")
        if self.sequence_level and not self.run:
            raise ValueError(
                "strategies.teacher.sequence_level needs a teacher: give strategies.teacher.run a run folder"
            )
        if self.run and not self.weight and not self.sequence_level:
            raise ValueError(
                "strategies.teacher.run with a teacher.weight of 0 is not asked; raise it, or leave both out"
            )


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank updates of frozen matrices (Hu et al. 2022)."""

    rank: Count = 0  # train only products of two matrices this thin beside the queries' and values'; 0: off
    alpha: NotNegative = 16.0  # such a product counts alpha / rank times

    def __post_init__(self) -> None:
        check_bounds(self, "strategies.lora")


@dataclass(frozen=True)
class StrategiesConfig:
    """How fine-tuning differs from plain training on pairs (chapter 3.2)."""

    layers: LayersConfig = LayersConfig()
    auxiliary: AuxiliaryConfig = AuxiliaryConfig()
    tasks: TasksConfig = TasksConfig()
    adversary: AdversaryConfig = AdversaryConfig()
    perturb: Share = 0.0  # 4, on words: of the pairs, whose description is changed a little (data/perturb.py)
    meta: MetaConfig = MetaConfig()
    teacher: TeacherConfig = TeacherConfig()
    lora: LoraConfig = LoraConfig()
    # the network becomes the mean of its last so many checkpoints (Vaswani et al. 2017, 6.1); 0: off
    average_checkpoints: Count = 0

    def __post_init__(self) -> None:
        check_bounds(self, "strategies")
        others = self.adversary.kind != "none" or self.auxiliary.task != "none" or self.teacher.run
        if self.meta.kind != "none" and others:
            raise ValueError("strategies.meta has a loop of its own: leave out adversary, auxiliary and teacher")
        if self.teacher.sequence_level and self.tasks.names:
            raise ValueError(
                "strategies.teacher.sequence_level has the teacher write code, not other tasks: leave out tasks"
            )
        if self.lora.rank and (self.layers.last or self.layers.unfreeze_every):
            raise ValueError(
                "strategies.lora.rank freezes the whole network; leave out layers.last and layers.unfreeze_every"
            )
