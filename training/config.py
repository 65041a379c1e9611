"""Settings of training: objectives, optimiser, schedule, budget, checkpoints."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, make_dataclass
from functools import cache
from typing import Annotated, Any, Literal

import tyro

from data.objectives.table import OBJECTIVES, Objective
from system.bounds import BelowOne, Count, FromOne, NotNegative, Positive, Share, bounds, check_bounds

TRAINED_ON = tuple(name for name, row in OBJECTIVES.items() if not row.goes_with_pairs)  # one at least must be on
Part = Annotated[float, bounds(above=0, below=1)]  # of the tokens of a text


def weight(name: str, row: Objective) -> tuple[str, Any, Any]:
    """The field of an objective's weight, which make_dataclass takes: name, type with its help, default."""
    return name, Annotated[Share, tyro.conf.arg(help=row.help)], field(default=1.0 if name == "pairs" else 0.0)


Weights = make_dataclass("Weights", [weight(name, row) for name, row in OBJECTIVES.items()], frozen=True)


@dataclass(frozen=True)
class ObjectivesConfig(Weights):
    """What is trained on: of each objective (data/objectives/table.py) a weight, from `pairs` to `dual`.

    A weight is a share of the examples, and 0 turns its objective off (training/mixture.py).
    """

    schedule: tuple[str, ...] = ()  # epochs in which an objective is on, the first is 1: denoise:1-6 dual:7-
    mask_rate: Part = 0.15  # share of the tokens that mlm, span and deletion corrupt and permutation predicts
    mean_span: Annotated[float, bounds(least=1)] = 3.0  # mean length in tokens of a span of span and infilling
    infilling_rate: Part = 0.3  # share of the tokens that infilling hides
    whole_words: bool = False  # mlm hides all pieces of a word or none
    both_texts: bool = False  # a described function is one text, description and code (CodeBERT); else the description
    masked_share: Share = 0.5  # share of match's pairs in which the words that both sides have are hidden

    def __post_init__(self) -> None:
        check_bounds(self, "objectives")
        if not any(getattr(self, name) for name in TRAINED_ON):
            raise ValueError(f"objectives.{', '.join(TRAINED_ON)} are all 0; give one of them a share")
        for entry in self.schedule:
            name, first, last = read_epochs(entry)
            if not first <= last or name not in OBJECTIVES:
                raise ValueError(
                    f"objectives.schedule: {entry!r} is no objective and its epochs; write denoise:1-6 or dual:7-"
                )
        bounds = [bound for entry in self.schedule for bound in read_epochs(entry)[1:] if bound < math.inf]
        for epoch in range(int(max(bounds, default=0)) + 1):
            if not any(getattr(self, name) and self.is_on(name, epoch) for name in TRAINED_ON):
                raise ValueError(f"objectives.schedule leaves nothing on in epoch {epoch + 1}; let something go on")

    def is_on(self, name: str, epoch: int) -> bool:
        """Whether the schedule has an objective on in an epoch, of which the first is 0."""
        spans = [span for entry in self.schedule for span in (read_epochs(entry),) if span[0] == name]
        return not spans or any(first <= epoch + 1 <= last for _, first, last in spans)


@cache  # asked for every example
def read_epochs(entry: str) -> tuple[str, float, float]:
    """An entry of a schedule, "name:first-last" -> (name, first, last); (name, 1, 0) where it is none."""
    found = re.fullmatch(r"(\w+):(\d+)(-(\d*))?", entry)
    if found is None or int(found[2]) < 1:
        return entry, 1, 0
    first = int(found[2])
    return found[1], first, first if found[3] is None else int(found[4] or 0) or math.inf


@dataclass(frozen=True)
class InitConfig:
    """What training begins with (chapter 3.1, step 1)."""

    # "from" is a word of Python's own: the field has an underscore that is not written anywhere else.
    from_: Annotated[str, tyro.conf.arg(name="from")] = ""  # folder of a run, or of a T5, BART... checkpoint

    def __post_init__(self) -> None:
        """Refuse what is no text. Raises ValueError."""
        check_bounds(self, "init")


@dataclass(frozen=True)
class ParallelConfig:
    """Processes that train one network together (training/parallel.py)."""

    # copies: each process has the network, and a share of a step's batches; fsdp: it has a part of every weight, too
    mode: Literal["none", "copies", "fsdp"] = "none"
    processes: Annotated[int, bounds(least=0, most=1024)] = 0  # on a CPU; 0: one a core, as far as a step has batches
    shard_over: Annotated[int, bounds(least=0)] = 0  # fsdp: processes that share the weights; 0: all; else copies of it
    patience: Positive = 60.0  # seconds to wait for another process in a step before it counts as lost
    dry_run: Annotated[int, bounds(least=0, most=1_000_000)] = 0  # say what a step of so many processes needs, and end
    compile: bool = False  # PyTorch's compiler makes the layers' kernels; on GPUs alone
    recompute: bool = False  # the backward pass computes each layer's forward pass again: less memory, more time
    save_meanwhile: bool = False  # fsdp: training goes on while a checkpoint is written

    def __post_init__(self) -> None:
        check_bounds(self, "parallel")


@dataclass(frozen=True)
class LoopConfig:
    """One phase of training (pretraining or fine-tuning). A budget of 0 steps and 0 epochs skips the phase."""

    steps: Count = 0  # optimiser steps; 0: `epochs` decides
    epochs: Annotated[float, bounds(least=0, most=1e6)] = 0.0  # passes over the training examples
    optimizer: Literal["adam", "adamw"] = "adamw"  # Kingma and Ba 2015; Loshchilov and Hutter 2019
    learning_rate: Positive = 1e-3  # the schedule's peak
    beta1: BelowOne = 0.9  # decay of the gradient's mean
    beta2: BelowOne = 0.98  # decay of the squared gradient's mean (Vaswani et al. 2017, 5.3)
    epsilon: Positive = 1e-9  # added to the root of the squared mean (Vaswani et al. 2017, 5.3)
    weight_decay: NotNegative = 0.01  # decoupled decay, on matrices only (adamw)
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "cosine"  # after the warm-up
    warmup_steps: Count = 200  # steps of linear warm-up
    final_share: Share = 0.0  # learning rate at the end, as a share of the peak (linear, cosine)
    label_smoothing: BelowOne = 0.1  # epsilon of Szegedy et al. 2016, chapter 4.1 equation (6)
    clip_norm: NotNegative = 1.0  # largest norm of the whole gradient; 0: no clipping
    accumulate: Annotated[int, bounds(least=1, most=10_000)] = 1  # batches per optimiser step
    ema_decay: BelowOne = 0.0  # moving average of the weights, used for evaluation and saved; 0: off
    patience: Count = 0  # evaluations without improvement of the held-out loss before stopping; 0: never
    evaluate_every: Count = 0  # steps between held-out losses; 0: only at the end
    checkpoint_every: Count = 500  # steps between checkpoints; 0: only at the end
    keep_checkpoints: FromOne = 2  # newest checkpoints that are kept
    max_bad_steps: FromOne = 5  # non-finite losses in a row before training stops
    bf16: bool = False  # bfloat16 matrix products on CUDA and on CPUs that have them; weights stay float32
    objectives: ObjectivesConfig = ObjectivesConfig()  # what is trained on

    def __post_init__(self) -> None:
        check_bounds(self)
