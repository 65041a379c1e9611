"""Settings of training: objectives, optimiser, schedule, budget, checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class ObjectivesConfig:
    """Weights of what is trained on; each is a share of the examples, 0 turns it off."""

    pairs: float = 1.0  # description -> code, equation (6)
    mlm: float = 0.0  # masked language modelling on the encoder (Devlin et al. 2019)
    span: float = 0.0  # span corruption through the decoder (Raffel et al. 2020, 3.1.4)
    denoise: float = 0.0  # noised training lines, description or code, to be restored (Lewis et al. 2020)
    denoise_epochs: int = 0  # first epochs in which denoise is on; 0: in all
    rename: float = 0.0  # share of the pairs in which words common to both sides are replaced by made-up ones
    rename_epochs: int = 0  # first epochs in which rename is on; 0: in all
    mask_rate: float = 0.15  # share of the tokens that mlm and span corrupt
    mean_span: float = 3.0  # mean length in tokens of a corrupted span

    def __post_init__(self) -> None:
        for name in ("pairs", "mlm", "span", "denoise", "rename"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"objectives.{name}={getattr(self, name)} is a share: it must be from 0 to 1")
        if not self.pairs and not self.mlm and not self.span and not self.denoise:
            raise ValueError("objectives.pairs, mlm, span and denoise are all 0; give one of them a share")
        if self.denoise_epochs < 0 or self.rename_epochs < 0:
            raise ValueError("objectives.denoise_epochs and rename_epochs must be at least 0 (0: all epochs)")
        if not 0 < self.mask_rate < 1 or not self.mean_span >= 1:
            raise ValueError("objectives.mask_rate must be above 0 and below 1, and mean_span at least 1")


@dataclass(frozen=True)
class InitConfig:
    """What training begins with (chapter 3.1, step 1)."""

    # "from" is a word of Python's own: the field has an underscore that is not written anywhere else.
    from_: Annotated[str, tyro.conf.arg(name="from")] = ""  # folder of a T5, BART, PLBART or Marian checkpoint


@dataclass(frozen=True)
class LoopConfig:
    """One phase of training (pretraining or fine-tuning). A budget of 0 steps and 0 epochs skips the phase."""

    steps: int = 0  # optimiser steps; 0: `epochs` decides
    epochs: float = 0.0  # passes over the training examples
    optimizer: Literal["adam", "adamw"] = "adamw"  # Kingma and Ba 2015; Loshchilov and Hutter 2019
    learning_rate: float = 1e-3  # the schedule's peak
    beta1: float = 0.9  # decay of the gradient's mean
    beta2: float = 0.98  # decay of the squared gradient's mean (Vaswani et al. 2017, 5.3)
    epsilon: float = 1e-9  # added to the root of the squared mean (Vaswani et al. 2017, 5.3)
    weight_decay: float = 0.01  # decoupled decay, on matrices only (adamw)
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "cosine"  # after the warm-up
    warmup_steps: int = 200  # steps of linear warm-up
    final_share: float = 0.0  # learning rate at the end, as a share of the peak (linear, cosine)
    label_smoothing: float = 0.1  # epsilon of Szegedy et al. 2016, chapter 4.1 equation (6)
    clip_norm: float = 1.0  # largest norm of the whole gradient; 0: no clipping
    accumulate: int = 1  # batches per optimiser step
    ema_decay: float = 0.0  # moving average of the weights, used for evaluation and saved; 0: off
    patience: int = 0  # evaluations without improvement of the held-out loss before stopping; 0: never
    evaluate_every: int = 0  # steps between held-out losses; 0: only at the end
    checkpoint_every: int = 500  # steps between checkpoints; 0: only at the end
    keep_checkpoints: int = 2  # newest checkpoints that are kept
    max_bad_steps: int = 5  # non-finite losses in a row before training stops
    bf16: bool = False  # bfloat16 matrix products on CUDA and on CPUs that have them; weights stay float32
    objectives: ObjectivesConfig = ObjectivesConfig()  # what is trained on

    def __post_init__(self) -> None:
        for name in (
            "steps", "epochs", "warmup_steps", "patience", "evaluate_every", "checkpoint_every", "weight_decay",
            "clip_norm",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0")
        for name in ("accumulate", "keep_checkpoints", "max_bad_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("beta1", "beta2", "ema_decay", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0 and below 1")
        for name in ("learning_rate", "epsilon"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
