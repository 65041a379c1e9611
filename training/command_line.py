"""The command line, made by tyro from a settings dataclass: the same names as in Python and in config.json."""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import tyro

from data.example import DataError
from model.config import preset
from training.config import LoopConfig
from training.recipes import TrainingSettings, recipe
from training.run_folder import is_run, read_config

Settings = TypeVar("Settings")


def parse(kind: type[Settings], argv: list[str], default: Settings, description: str) -> Settings:
    """Settings from the command line over `default`. Raises DataError for an option that does not exist."""
    try:
        settings, unknown = tyro.cli(
            kind, args=argv, default=default, description=description, use_underscores=True, return_unknown_args=True
        )
    except ValueError as error:  # an impossible size or value, refused by the settings themselves
        raise DataError(str(error)) from error
    if unknown:
        raise DataError(f"{unknown[0]} is not an option{suggestion(unknown[0], default)}; --help lists them all")
    return settings


def read_training_command(kind: type[Settings], argv: list[str], description: str) -> tuple[Settings, bool, bool]:
    """(settings, resume, overwrite) of `python train.py`. A run that goes on has the settings it was started with."""
    resume, overwrite = "--resume" in argv, "--overwrite" in argv
    argv = [argument for argument in argv if argument not in ("--resume", "--overwrite")]
    start = starting_settings(argv)
    default = kind(**{name: getattr(start, name) for name in start.__dataclass_fields__})
    settings = parse(kind, argv, default, description)
    if resume and is_run(Path(settings.run)):
        settings = replace(read_config(Path(settings.run), kind)[0], run=settings.run)  # it may have been moved
    return capped(settings), resume, overwrite


def capped(settings: Settings) -> Settings:
    """Settings for a trial of the whole path: CI_STEPS=20 in the environment caps steps, data and scoring."""
    cap = int(os.environ.get("CI_STEPS", "0"))
    if cap <= 0:
        return settings

    def short(loop: LoopConfig) -> LoopConfig:
        return replace(loop, steps=min(cap, loop.steps or cap), epochs=0) if loop.steps or loop.epochs else loop

    held_out = min(cap, settings.data.held_out)
    data = replace(settings.data, generated_train=100 * cap, generated_test=cap, held_out=held_out)
    return replace(
        settings,
        data=data,
        pretraining=short(settings.pretraining),
        training=short(settings.training),
        evaluation=replace(settings.evaluation, limit=cap, max_new_tokens=cap),
    )


def suggestion(option: str, settings: Any) -> str:
    """' (did you mean --data.path?)', or nothing when no option is near."""
    known = [f"--{name}" for name in dotted_names(settings)]
    near = difflib.get_close_matches(option.partition("=")[0].replace("-", "_").replace("__", "--", 1), known, 1, 0.75)
    return f" (did you mean {near[0]}?)" if near else ""


def dotted_names(settings: Any, prefix: str = "") -> list[str]:
    """Every field of nested dataclasses, as "data.path"."""
    names = []
    for name in settings.__dataclass_fields__:
        value = getattr(settings, name)
        inner = hasattr(value, "__dataclass_fields__")
        names += dotted_names(value, f"{prefix}{name}.") if inner else [prefix + name]
    return names


def starting_settings(argv: list[str]) -> TrainingSettings:
    """What the options are changes of: the recipe of the corpus or preset, with the network's preset put in.

    These three decide the other defaults, so they are looked for first. Raises DataError or ValueError.
    """
    corpus = argv[0] if argv and not argv[0].startswith("-") else ""
    start = recipe(corpus or "generated", value_of(argv, "--preset"))
    network = value_of(argv, "--model.preset")
    if network:
        sizes = ("d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers", "copy_head", "mlm_head")
        start = replace(start, model=preset(network, **{name: getattr(start.model, name) for name in sizes}))
    return start


def value_of(argv: list[str], option: str) -> str:
    """The value given for `option` as "--option value" or "--option=value", or ""."""
    for index, argument in enumerate(argv):
        if argument == option and index + 1 < len(argv):
            return argv[index + 1]
        if argument.startswith(option + "="):
            return argument.partition("=")[2]
    return ""


def run_and_report(main: Any, argv: list[str]) -> int:
    """Call main(argv); an error that the user can mend becomes one line on stderr and exit status 2."""
    try:
        return main(argv)
    except DataError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
