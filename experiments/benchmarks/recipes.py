"""How each benchmark's result is made: runs of train.py, then one of eval.py.

Django's settings were chosen on the last 1,000 of its training lines, never by dev or test lines; the others are first
guesses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A run of train.py; `{name}` in an option stands for the folder of an earlier one."""

    name: str
    options: tuple[str, ...]

    @property
    def needs(self) -> bool:
        """Whether an earlier run has to be finished first."""
        return any("{" in option for option in self.options)


@dataclass(frozen=True)
class Benchmark:
    """The runs behind one result. The last stage but those that `scoring` names writes the code."""

    stages: tuple[Stage, ...]
    scored: str  # the stage whose network writes the code
    scoring: tuple[str, ...] = ()  # options of eval.py; `{name}`: a network that helps to choose
    minutes: float | None = None  # of two cores' training that are allowed in all
    parameters: float | None = None  # that all networks used in decoding may have

    @property
    def decoding(self) -> list[str]:
        """The stages whose networks are used when code is written."""
        return [
            stage.name for stage in self.stages
            if stage.name == self.scored or any(f"{{{stage.name}}}" in option for option in self.scoring)
        ]  # fmt: skip


def pretraining_stage(steps: int, *options: str) -> Stage:
    """Text infilling on mined code and text: the objective that helped most in the suite `pretraining`."""
    return Stage(
        "pretrained",
        (
            "--data.shards", "mined", "--pretraining.steps", str(steps), "--pretraining.objectives.pairs", "0",
            "--pretraining.objectives.infilling", "1", "--pretraining.label_smoothing", "0",
            "--training.steps", "0", "--training.epochs", "0", *options,
        ),
    )  # fmt: skip


BEAM = ("--beam", "8", "--parsing_first")
LONG = ("--data.max_target_length", "512", "--evaluation.max_new_tokens", "512")
# Django's networks are many and small: three that write together, and one that reads their code back, have less than
# 15 M parameters. Neither pretraining nor lines to restore were worth their time. With nothing held out, the seeds
# share a vocabulary.
SMALL_NETWORK = (
    "--data.held_out", "0", "--model.d_model", "192", "--model.d_ff", "512", "--training.objectives.denoise", "0",
)  # fmt: skip


def writer(name: str, seed: int) -> Stage:
    """One of the networks that write Django's lines together."""
    options = ("--data.slots", "--data.name_slots", *SMALL_NETWORK, "--training.epochs", "24", "--seed", str(seed))
    return Stage(name, options)


BENCHMARKS = {
    "django": Benchmark(
        stages=(
            writer("first", 1), writer("second", 2), writer("third", 3),
            Stage("reverse", ("--data.reverse", *SMALL_NETWORK, "--training.epochs", "10")),
        ),
        scored="first",
        scoring=(
            *BEAM, "--ensemble", "{second}", "{third}", "--reverse", "{reverse}", "--reverse_weight", "0.25",
        ),
        minutes=100, parameters=15e6,
    ),
    "hearthstone": Benchmark(
        stages=(Stage("tuned", (*LONG, "--data.batch_tokens", "2048", "--training.epochs", "120")),),
        scored="tuned", scoring=("--beam", "4"), minutes=100, parameters=15e6,
    ),
    "nl2bash": Benchmark(
        stages=(
            pretraining_stage(4700, "--data.vocab_size", "4000"),
            Stage("tuned", ("--init.from", "{pretrained}", "--training.epochs", "20")),
        ),
        scored="tuned", scoring=("--beam", "4"),
    ),
    "conala": Benchmark(
        stages=(
            pretraining_stage(9400, "--data.vocab_size", "4000"),
            Stage("tuned", ("--init.from", "{pretrained}", "--training.epochs", "40")),
        ),
        scored="tuned", scoring=BEAM,
    ),
    "mbpp": Benchmark(
        stages=(
            pretraining_stage(4700, "--data.vocab_size", "4000"),
            Stage("tuned", (*LONG, "--init.from", "{pretrained}", "--training.epochs", "40")),
        ),
        scored="tuned", scoring=("--beam", "4", "--run_untrusted"),
    ),
}  # fmt: skip
