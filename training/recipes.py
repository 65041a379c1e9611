"""All settings of a run as one tree, and the recipes that `python train.py NAME` starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import tyro

from data.config import DataConfig
from data.sources import CORPUS_NAMES
from model.config import ModelConfig, preset
from system.bounds import Seed, Threads, check_bounds
from system.errors import UserError
from training.config import InitConfig, LoopConfig, ObjectivesConfig, ParallelConfig
from training.strategies.config import StrategiesConfig


@dataclass(frozen=True)
class TrainingSettings:
    """All settings of training; train.py adds those of scoring."""

    corpus: Annotated[str, tyro.conf.Positional] = "generated"  # generated, django, nl2bash, conala, ... or files
    run: str = "runs/quickstart"  # the run folder
    preset: str = ""  # a recipe to start from instead of the corpus's own: chapter-3.3; none: every setting's default
    seed: Seed = 0  # of everything random
    device: str = "auto"  # auto, cpu, cuda or mps
    threads: Threads = 0  # CPU threads; 0: torch's choice
    tracking: Literal["none", "tensorboard"] = "none"  # what shows the run beside metrics.jsonl (training/tracking.py)
    init: InitConfig = InitConfig()  # a checkpoint to begin with
    data: DataConfig = DataConfig()  # corpus, tokenizer, batches
    model: ModelConfig = ModelConfig()  # the network
    pretraining: LoopConfig = LoopConfig()  # on mined code and text; 0 steps: none
    training: LoopConfig = LoopConfig()  # on pairs of description and code
    strategies: StrategiesConfig = StrategiesConfig()  # how training on pairs differs from the plain form
    parallel: ParallelConfig = ParallelConfig()  # several processes that train together

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def pretrains(self) -> bool:
        """Whether the pretraining phase has a budget."""
        return bool(self.pretraining.steps or self.pretraining.epochs)

    @property
    def fine_tunes(self) -> bool:
        """Whether training on pairs has a budget; without one the run is pretrained alone, and not scored."""
        return bool(self.training.steps or self.training.epochs)


# A short pretraining on the standard library, then five to ten minutes of generated tasks. Few tokens are seen and
# none twice: small batches make the most of them, and there is nothing for dropout to prevent. A step has two, so that
# two processes share it on two cores (docs/scaling.md).
QUICKSTART = TrainingSettings(
    data=DataConfig(vocab_size=1200, batch_tokens=512, held_out=500, generated_train=80_000),
    model=preset("modern", d_model=192, n_heads=4, d_ff=512, mlm_head=True, copy_head=True, dropout=0.0),
    pretraining=LoopConfig(
        steps=150, objectives=ObjectivesConfig(pairs=0, mlm=0.5, span=0.5), warmup_steps=100, schedule="constant",
        accumulate=2,
    ),
    training=LoopConfig(
        steps=3400, learning_rate=1.5e-3, warmup_steps=150, label_smoothing=0.0, evaluate_every=800, accumulate=2
    ),
)

# Less than an hour of two cores from scratch. What holds this corpus back is copying several pieces in a row: restoring
# noised lines teaches it, and made-up names leave no other way to be right. With both, one run without the copy head
# was as good as one with it (docs/results.md); --model.no_copy_head leaves it out.
DJANGO_RECIPE = TrainingSettings(
    corpus="django",
    run="runs/django",
    data=DataConfig(vocab_size=2000, batch_tokens=1024, held_out=500),
    model=preset("modern", d_model=256, n_heads=4, d_ff=768, copy_head=True, dropout=0.15),
    training=LoopConfig(
        epochs=20,
        objectives=ObjectivesConfig(denoise=1.0, rename=0.5, schedule=("denoise:1-6",)),
        ema_decay=0.999,
        evaluate_every=1000,
        checkpoint_every=1000,
    ),
)

# Chapter 3.3: columns, truncation, epochs, batch, warm-up, weight decay and linear decay are the chapter's. Its
# learning rate suits a pretrained network; ours starts from nothing, or from the pretraining before it.
CHAPTER = TrainingSettings(
    corpus="files",
    run="runs/chapter-3.3",
    preset="chapter-3.3",
    data=DataConfig(
        nl="natural_language_description", truncate=True, max_source_length=1024, max_target_length=1024,
        batch_tokens=0, batch_examples=8,
    ),
    model=preset("modern", copy_head=True),
    training=LoopConfig(
        epochs=3, warmup_steps=500, weight_decay=0.01, schedule="linear", learning_rate=5e-4, label_smoothing=0.0
    ),
)

# A pretrained network needs fewer epochs and a smaller learning rate (chapter 3.3, and the Trainer's default), and none
# of what teaches a new one to copy.
FINE_TUNING = LoopConfig(
    epochs=3, learning_rate=5e-5, beta2=0.999, epsilon=1e-8, warmup_steps=500, schedule="linear", label_smoothing=0.0,
    evaluate_every=1000,
)

RECIPES = {
    "generated": QUICKSTART, "django": DJANGO_RECIPE, "chapter-3.3": CHAPTER, "none": TrainingSettings(run="runs/none")
}  # fmt: skip


def recipe(corpus: str, name: str = "") -> TrainingSettings:
    """The settings that `corpus`, or the preset `name`, starts from. Raises UserError for an unknown one.

    A corpus without a recipe of its own takes Django's, as it is pairs of short texts too.
    """
    if corpus not in CORPUS_NAMES or corpus == "mined":
        choices = ", ".join(known for known in CORPUS_NAMES if known != "mined")
        raise UserError(f"corpus {corpus!r} is unknown; choose one of {choices}")
    if name:
        if name not in RECIPES:
            raise UserError(f"preset {name!r} is unknown; choose one of {', '.join(RECIPES)}")
        chosen = replace(RECIPES[name], preset=name)
        return replace(chosen, corpus=corpus) if corpus != "generated" else chosen
    return RECIPES.get(corpus, replace(DJANGO_RECIPE, corpus=corpus, run=f"runs/{corpus}"))
