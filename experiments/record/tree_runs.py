"""Runs of train.py in a tree, whole or of few steps, after those that they begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.record.trees import Computed, Starter, Tree, make_or_go_on, read_run
from training.run.old_settings import first_name

FEW_STEPS = 50  # of a short run, in each phase that it has
FEW_LINES = 20  # of each split, that a short run writes
PHASES = ("pretraining", "training")


@dataclass(frozen=True)
class Command:
    """A command of train.py as one tree spells it."""

    options: tuple[str, ...]
    needs: Mapping[str, Command] = field(default_factory=dict)  # setting -> the run whose folder it names
    scoring: tuple[str, ...] = ()  # options of eval.py that writes code anew; `{name}`: the folder of another run


def compute(starter: Starter, tree: Tree, command: Command, steps: int, folder: Path) -> Computed:
    """What a command computes in a tree, in so many steps (0: its own number), in `folder / "run"`. Raises TreeError.

    What is there already is not made again.
    """
    make(starter, tree, command, steps, folder)
    return read_run(folder / "run")


def make(starter: Starter, tree: Tree, command: Command, steps: int, folder: Path) -> None:
    """Make the run of a command, after those that it begins with, or learns from, these in few steps. TreeError.

    A network to begin with may be an untrained one, whose run leaves no losses to be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = shortened(command.options, steps) if steps else list(command.options)
    for setting, needed in command.needs.items():
        place = folder / setting.replace(".", "_")
        make(starter, tree, needed, steps or FEW_STEPS, place)
        options = with_folder(options, setting, place / "run")
    make_or_go_on(starter, tree, options, folder / "run")


def shortened(options: Sequence[str], steps: int) -> list[str]:
    """The options of a run of so few steps that writes few lines; a phase without a budget stays without.

    A run that says nothing of pretraining does not pretrain; one that says nothing of training has its recipe's epochs.
    """
    found = list(options)
    for phase in PHASES:
        budget = [value_of(options, f"--{phase}.{unit}") for unit in ("steps", "epochs")]
        said = [float(value) for value in budget if value is not None]
        if any(said) or (not said and phase == "training"):
            found = [*without(found, f"--{phase}.steps"), f"--{phase}.steps={steps}"]
    return [*without(found, "--evaluation.limit"), f"--evaluation.limit={FEW_LINES}"]


def with_folder(options: Sequence[str], setting: str, folder: Path) -> list[str]:
    """The options with the folder in a setting that may have had another name in the tree that they are of."""
    names = [f"--{name}" for name in (setting, first_name(setting))]
    name = next((name for name in names if value_of(options, name) is not None), names[0])
    return [*without(options, name), f"{name}={folder}"]


def value_of(options: Sequence[str], name: str) -> str | None:
    """The value of an option, "--name=value" or "--name value", the last one that is said; None where none is."""
    found = None
    for number, word in enumerate(options):
        if word == name and number + 1 < len(options):
            found = options[number + 1]
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def without(options: Sequence[str], name: str) -> list[str]:
    """The options without this one of one value, in either form."""
    kept, words = [], iter(options)
    for word in words:
        if word == name:
            next(words, None)
        elif not word.startswith(f"{name}="):
            kept.append(word)
    return kept
