"""Rows of several processes: one that uses both cores as threads, one of one thread, two of one thread, and DDP's two.

Whole runs of train.py take turns, each with the same batches, two a step: what a step costs includes the optimiser and
the held-out loss at the end. Scoring is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from experiments.record.measurement import ROOT
from experiments.speed.rows import Row
from experiments.speed.train import folder_of_django
from experiments.speed.turns import ratios
from system.errors import UserError
from system.trial import step_cap

QUICK_START = "--pretraining.steps 0 --data.batch_tokens 512 --training.accumulate 2"
SHAPES = {  # a row: train.py's options, and its steps in a turn as a share of the quick start's
    "quick start": (f"generated {QUICK_START}", 1.0),
    "shape A": (f"generated {QUICK_START} --model.preset bart --model.d_model 256 --model.n_heads 4 --model.d_ff 1024 "
                "--model.n_encoder_layers 4 --model.n_decoder_layers 4 --model.dropout 0.1 --data.vocab_size 1200 "
                "--data.batch_tokens 1024", 0.25),
    "Django": ("django --data.batch_tokens 512 --training.accumulate 2 --training.epochs 0", 0.5),
}  # fmt: skip
TWO = "2 processes of 1 thread"
THREADS = "1 process of 2 threads"
ALONE = "1 process of 1 thread"
SHARDED = "shards, 1 process of 1 thread"  # what shards cost where there is nothing to share
WAYS = {  # how train.py is run: the worker's word, options, threads of a process
    TWO: ("copies", "--parallel.mode copies --parallel.processes 2", 1),
    THREADS: ("none", "--parallel.mode none", 2),
    ALONE: ("none", "--parallel.mode none", 1),
    "DDP, 2 processes of 1 thread": ("ddp", "--parallel.mode copies --parallel.processes 2", 1),
}
SINGLE = "1 process of 2 threads, one batch of 1,024"  # what the quick start's recipe was before it had two


def measure_parallel(settings: Any) -> list[Row]:
    """The ratios of tokens a second for each shape, and what is said of the first step and of memory."""
    rows = []
    for name in ("quick start",) if step_cap() else SHAPES:
        options, share = SHAPES[name]
        steps = max(1, round(settings.parallel_steps * share))
        command = [*options.split(), "--training.steps", str(steps), "--training.warmup_steps", "1"]
        if name == "Django":
            folder = folder_of_django(settings, name)
            if folder is None:
                continue
            command += ["--data.path", str(folder)]
        ways = dict(WAYS)
        if name == "quick start":
            ways[SINGLE] = ("none", "--parallel.mode none --training.accumulate 1 --data.batch_tokens 1024", 2)
        if name == "shape A":
            ways[SHARDED] = ("none", "--parallel.mode fsdp --parallel.processes 1", 1)
        rows += rows_of(name, take_turns_of_runs(name, command, ways, settings.rounds))
    return rows


def take_turns_of_runs(
    shape: str, command: Sequence[str], ways: dict[str, tuple[str, str, int]], rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Way -> what each of its turns measured; a round has one turn of every way, in another order each time."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    order = list(ways)
    with tqdm(total=rounds * len(ways), leave=False, disable=None) as bar, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name in order[number % len(order) :] + order[: number % len(order)]:
                bar.set_description(f"{shape}, {name}")
                how, options, threads = ways[name]
                given = [*command, *options.split(), "--run", str(Path(folder) / "run"), "--overwrite"]
                found[name].append(measured_turn(how, given, threads))
                bar.update()
    return found


def measured_turn(how: str, arguments: Sequence[str], threads: int) -> dict[str, Any]:
    """What experiments/speed/parallel_worker.py says of one run. Raises UserError where it ended without a word."""
    done = subprocess.run(
        [sys.executable, "-m", "experiments.speed.parallel_worker", how, *arguments], cwd=ROOT, capture_output=True,
        encoding="utf-8", env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("measured "):
            return json.loads(line.removeprefix("measured "))
    raise UserError(f"a run of {' '.join(arguments)} measured nothing: {done.stderr.strip().splitlines()[-1:]}")


def rows_of(shape: str, turns: dict[str, list[dict[str, Any]]]) -> list[Row]:
    """Two processes against every other way, in tokens a second; then the time to the first step, and memory."""
    speeds = {name: [turn["tokens"] / turn["seconds"] for turn in found] for name, found in turns.items()}
    more = {
        "shares_of_time": {name: shares_of(found) for name, found in turns.items()},
        "cpu_seconds": {name: [turn["cpu_seconds"] for turn in found] for name, found in turns.items()},
    }
    others = {name: values for name, values in speeds.items() if name not in (TWO, SHARDED)}
    rows = []
    for name, values in others.items():
        ratio = ratios(speeds[TWO], values)
        rows.append(Row(f"{shape}, 2 processes against {name}", "tokens/s", speeds[TWO], others, ratio, name, more))
    if SHARDED in speeds:
        shards, without = speeds[SHARDED], speeds[ALONE]
        rows.append(Row(f"{shape}, shards in one process", "tokens/s", shards, {ALONE: without},
                        ratios(shards, without), ALONE))  # fmt: skip
    for what, key, unit in (("first step", "first_step", "s"), ("memory", "memory_mib", "MiB")):
        ours, theirs = ([turn[key] for turn in turns[way]] for way in (TWO, THREADS))
        ratio = ratios(ours, theirs)
        rows.append(Row(f"{shape}, {what} of 2 processes", unit, ours, {THREADS: theirs}, ratio, THREADS))
    return rows


def shares_of(turns: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians of the shares of a run's time: waiting for the other process, exchange of gradients, optimiser."""
    return {name: median(turn["shares"][name] for turn in turns) for name in turns[0]["shares"]}
