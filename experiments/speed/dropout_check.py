"""Does dropout from raw random bits (model/dropout.py) train as well as torch's own? Held-out loss, seed by seed.

    python -m experiments.speed.dropout_check                     5 seeds of 1,000 steps
    python -m experiments.speed.dropout_check --first 5 --seeds 1   the sixth seed's two runs
    python -m experiments.speed.dropout_check --seeds 2 --steps 100 --json dropout.json

Each run is train.py's loop on the quick start's recipe with DROPOUT_OPTIONS below; nothing is decoded. Small batches, a
low rate and many held-out tasks keep the loss far from 0: at the recipe's own rate it is 0.03 after these steps, and
two runs of a seed differ by a fifth. The two runs of a seed have the same data in the same order and the same initial
weights, and all fast forms: only the masks differ. A finished run leaves a line in docs/results/dropout.jsonl and is
not made again, so the command goes on where it was stopped; with CI_STEPS it is a trial, and leaves none.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from torch.nn import functional as F

import train
from data.sources import open_source
from data.tokenizers.tokenizer import Tokenizer
from experiments.laboratory.paired_runs import (
    INTERVAL_LEVEL,
    Pairs,
    differences,
    equality_verdict,
    pairs_of,
    table_rows,
)
from experiments.laboratory.statistics import t_interval
from experiments.record.compact_lines import Line, config_hash, settings_that_count
from experiments.record.lines import append_line, read_suite
from experiments.record.measurement import ROOT, check_writable, facts_of, shown_command, write_rows
from experiments.record.records import ResultLine, record_of, runs
from experiments.record.targets import DROPOUT_KINDS, DROPOUT_MARGIN, DROPOUT_SCORE
from model.dropout import FastDropout
from model.fast import make_network
from system.device import find_device, keep_freed_memory, seed_everything, set_threads
from system.errors import UserError
from system.options import parse, run_and_report
from system.trial import step_cap
from training.command_line import read_training_command
from training.corpus import Corpus, read_corpora
from training.early_stopping import held_out_loss
from training.first_tokenizer import first_tokenizer
from training.mixture import import_objectives
from training.phase import start_phase
from training.run.budget import COUNTERS
from training.run.checkpoints import Position
from training.run.code_hash import code_hash, imported_files
from training.run.environment import describe_environment
from training.run.settings_file import to_dict
from training.run.state import Run

DROPOUT_SUITE = "dropout"
_, DROPOUT_SPLIT, DROPOUT_METRIC, _ = DROPOUT_SCORE
# Of train.py: dropout in every place that the recipe's network has.
DROPOUT_OPTIONS = """--device cpu --pretraining.steps 0 --data.batch_tokens 512 --data.held_out 4000
    --training.accumulate 1 --training.learning_rate 2e-4 --training.evaluate_every 0 --training.checkpoint_every 0
    --model.dropout 0.1 --model.dropout_attention 0.1 --model.dropout_feed_forward 0.1""".split()
DROPOUT_IDENTITY = ("suite", "config_hash", "code_hash", "seed", "threads")  # the generated data follow from these


@dataclass(frozen=True)
class Settings:
    """How many runs, and how long."""

    seeds: int = 5  # runs of each kind, on as many seeds
    first: int = 0  # the first of these seeds
    steps: int = 1000  # optimiser steps of a run
    threads: int = 0  # CPU threads; 0: torch's choice
    json: Path | None = None  # file for the comparison


@contextmanager
def masks_from(kind: str) -> Iterator[None]:
    """Inside the `with`, calls of the fast dropout use its own masks ("fast") or those of torch's dropout ("torch")."""
    if kind == "torch":
        FastDropout.apply = F.dropout  # (x, p) -> x with values zeroed, as the autograd function's own `apply`
    try:
        yield
    finally:
        if kind == "torch":
            del FastDropout.apply  # the inherited one shows again


def make_lines(plain_settings: train.Settings, seeds: range, folder: Path, command: str) -> list[ResultLine]:
    """The lines of all runs, a pair for each seed; those that are not in the folder yet are made and put there."""
    lines, code = [], hash_of_code(plain_settings)
    for seed in seeds:
        settings, corpora, tokenizer = replace(plain_settings, seed=seed), None, None
        for kind in DROPOUT_KINDS:
            line = facts_before(settings, kind, code)
            made = runs(read_suite(folder, DROPOUT_SUITE))
            known = [other for other in made if all(getattr(other, name) == line[name] for name in DROPOUT_IDENTITY)]
            if known:
                lines.append(known[0])
                continue
            if corpora is None or tokenizer is None:
                corpora = read_corpora(settings)
                tokenizer = first_tokenizer(settings, corpora)
            title = f"run {len(lines) + 1} of {2 * len(seeds)}, seed {seed}, {kind} dropout"
            line |= {"command": command, **facts_after(settings, kind, corpora["training"], tokenizer, title)}
            append_line(folder, line)
            lines.append(record_of(line))
    return lines


def hash_of_code(settings: train.Settings) -> str:
    """The hash of what a run imports, known before the first one: what is imported late is imported here."""
    open_source(settings.corpus, settings.data, settings.seed)
    import_objectives(settings.training.objectives)
    return code_hash(ROOT, imported_files(ROOT))


def facts_before(settings: train.Settings, kind: str, code: str) -> Line:
    """What is known of a run before it is made; it decides whether its line is there already."""
    config = settings_that_count(to_dict(settings)) | {"dropout_masks": kind}
    del config["evaluation"]  # nothing is decoded
    del config["model"]["vocab_size"]  # follows from the data; `pieces` in the line
    environment = describe_environment(settings.seed, find_device("cpu"), code_hash=code)
    return {
        "suite": DROPOUT_SUITE, "row": kind, "config": config, "config_hash": config_hash(config),
        "seed": settings.seed, "device": environment["device"], **facts_of(environment),
    }  # fmt: skip


def facts_after(settings: train.Settings, kind: str, corpus: Corpus, tokenizer: Tokenizer, title: str) -> Line:
    """Make a run: what it was made of, what it cost, and its held-out loss. Raises UserError where there is none."""
    began = time.monotonic()
    seed_everything(settings.seed)
    config = replace(settings.model, vocab_size=tokenizer.vocab_size)
    model = make_network(config, tokenizer.pad_id)
    with tempfile.TemporaryDirectory() as folder, masks_from(kind):
        settings = replace(settings, model=config)
        run = Run(Path(folder), settings, find_device("cpu"), tokenizer, model, Position("training"), began)
        phase = start_phase(run, title, settings.training, corpus, None)
        train.train(run, phase)
        loss = held_out_loss(run, phase)
    if loss is None:
        raise UserError("no held-out example is short enough to be scored; raise data.held_out or data.max_*_length")
    return {
        "data_hash": corpus.about["data_hash"],
        "pieces": tokenizer.vocab_size,
        "budget": {name: run.position.counters.get(name, 0) for name in COUNTERS},
        "wall_seconds": time.monotonic() - began,
        "scores": {DROPOUT_SPLIT: {DROPOUT_METRIC: {"value": loss, "n": len(corpus.held_out)}}},
    }


def show(pairs: Pairs) -> None:
    """Print an aligned table and the verdict."""
    rows = [["seed", *DROPOUT_KINDS, "difference"], *table_rows(pairs)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.rjust(width) for cell, width in zip(row, widths)), row[3]]))
    print(equality_verdict(pairs, DROPOUT_MARGIN))


def summary(pairs: Pairs, command: str) -> Line:
    """The comparison for --json."""
    found = differences(pairs)
    return {
        "row": "fast dropout against torch's", "command": command,
        "value": fmean(found), "unit": "percent of torch's held-out loss",
        "interval": t_interval(found, INTERVAL_LEVEL) if len(found) > 1 else None, "margin": DROPOUT_MARGIN,
        "verdict": equality_verdict(pairs, DROPOUT_MARGIN),
        "pairs": [{"seed": seed, **dict(zip(DROPOUT_KINDS, pair))} for seed, pair in pairs.items()],
    }  # fmt: skip


def main(arguments: list[str], folder: Path = ROOT / "docs" / "results") -> int:
    """Make the runs that are missing, and compare."""
    settings = parse(
        Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m experiments.speed.dropout_check"
    )
    for name, least in (("seeds", 1), ("first", 0), ("steps", 1), ("threads", 0)):
        if getattr(settings, name) < least:
            raise UserError(f"--{name} {getattr(settings, name)} must be at least {least}")
    check_writable(settings.json)

    command = shown_command(["experiments.speed.dropout_check", *arguments])
    options = [*DROPOUT_OPTIONS, "--training.steps", str(settings.steps), "--threads", str(settings.threads)]
    plain_settings = read_training_command(train.Settings, options, __doc__)[0]
    set_threads(settings.threads)
    keep_freed_memory()

    with tempfile.TemporaryDirectory() as trial:
        seeds = range(settings.first, settings.first + settings.seeds)
        lines = make_lines(plain_settings, seeds, Path(trial) if step_cap() else folder, command)

    pairs = pairs_of(lines, DROPOUT_KINDS, DROPOUT_SCORE)
    if step_cap():
        print(f"CI_STEPS={step_cap()}: a trial of few steps, its figures are not results")
    show(pairs)
    write_rows(settings.json, [summary(pairs, command)])
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
