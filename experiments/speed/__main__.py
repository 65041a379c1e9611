"""Speed beside the best of other libraries: one network, one machine, a process each, turn by turn.

    python -m experiments.speed                                 everything, 15 to 30 minutes on two cores
    python -m experiments.speed --only train decode --rounds 3  training and decoding alone
    python -m experiments.speed --only forms                    each of our fast forms left out in turn
    python -m experiments.speed --only parallel                 processes against threads, and against DDP
    python -m experiments.speed --json speed.json               every row as JSON
    python -m experiments.results measured speed.json --suite speed

Absolute speed depends on what else the machine does; the ratio of two turns that follow each other hardly does. In
every turn the machine's GEMM peak is measured too. A library that is not installed is a line and no failure; `pip
install -e ".[bench]"` brings them all. CI_STEPS=20 in the environment makes it a trial of few steps.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from experiments.record.measurement import check_writable, facts_here
from experiments.speed.decode import measure_decoding
from experiments.speed.length import measure_length
from experiments.speed.parallel import measure_parallel
from experiments.speed.rows import Row, as_json, show
from experiments.speed.shape import Shape
from experiments.speed.start import measure_start
from experiments.speed.train import measure_forms, measure_memory, measure_training
from system.atomic_files import write_atomically
from system.bounds import check_bounds
from system.errors import UserError
from system.options import parse, run_and_report
from system.trial import step_cap

Part = Literal["train", "decode", "length", "memory", "start", "forms", "parallel"]


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    only: tuple[Part, ...] = ("train", "decode", "length", "start")  # parts; train has memory's row too
    rounds: int = 5  # turns of each implementation
    steps: int = 2  # optimiser steps in a turn of shape A
    tokens: int = 20_000  # real tokens in a turn of shape B
    parallel_steps: int = 150  # optimiser steps in a turn of several processes
    repeats: int = 3  # times that a single source is decoded in a turn; a batch once
    threads: int = 0  # CPU threads of each process; 0: torch's own choice
    shape: Shape = field(default_factory=Shape)  # shape A
    django: str = ""  # folder of Django's files for shape B; empty: where `python -m data fetch django` has put them
    gemm_size: int = 1024  # rows of the square matrices of the GEMM peak
    plot: Path | None = None  # file for the picture of time and memory against length and width (svg or png)
    json: Path | None = None  # file for the rows

    def __post_init__(self) -> None:
        check_bounds(self)


def check(settings: Settings) -> None:
    """Refuse impossible settings before anything starts. Raises UserError."""
    least = {"rounds": 1, "steps": 1, "tokens": 1, "repeats": 1, "parallel_steps": 1, "threads": 0, "gemm_size": 1}
    for name, lowest in least.items():
        if getattr(settings, name) < lowest:
            raise UserError(f"--{name.replace('_', '-')} {getattr(settings, name)} must be at least {lowest}")
    check_writable(settings.json)
    check_writable(settings.plot)


def cap_settings(settings: Settings) -> Settings:
    """With CI_STEPS, a trial: one round of almost nothing, and a tiny network."""
    cap = step_cap()
    if not cap:
        return settings
    print(f"CI_STEPS={cap}: a trial of few steps, its figures are not results", file=sys.stderr)
    tiny = Shape(d_model=32, n_heads=2, n_layers=1, d_ff=64, batch=4, source_length=8, target_length=8)
    return replace(
        settings, rounds=1, steps=1, tokens=500, repeats=1, parallel_steps=4,
        gemm_size=min(settings.gemm_size, 256), shape=tiny,
    )  # fmt: skip


SPEED_PARTS: dict[str, Callable[[Any], list[Row]]] = {
    "train": measure_training,
    "memory": measure_memory,
    "decode": measure_decoding,
    "length": measure_length,
    "start": measure_start,
    "forms": measure_forms,
    "parallel": measure_parallel,
}


def main(arguments: list[str]) -> int:
    """Measure, print, write the rows."""
    settings = parse(Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m experiments.speed")
    check(settings)
    settings = cap_settings(settings)
    rows: list[Row] = []
    for part in settings.only:
        rows += SPEED_PARTS[part](settings)
    show(rows)
    if settings.json is not None:
        found = as_json(rows, ["experiments.speed", *arguments], facts_here())
        write_atomically(settings.json, json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
