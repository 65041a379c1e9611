"""Measure what the whole project promises: how long tests, quick start and corpus take, how much memory, and more.

    python -m experiments.checks test                          wall time of `make test`, installation not counted
    python -m experiments.checks quickstart --run runs/timed   wall time and peak memory of `python train.py`
    python -m experiments.checks corpus                        the mined corpus: built anew, and from the cache
    python -m experiments.checks matching                      descriptions and code: a network and a bag of words
    python -m experiments.checks test --json FILE              rows for `python -m experiments.results measured`

Memory is the sum over all processes, looked at twice a second. Other programs that use the same libraries at the same
time make it look smaller (shared pages are counted in shares), so let nothing else run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy
import tyro

from evaluation.finished_run import read_json_lines
from evaluation.intervals import interval_of_score
from experiments.record.child import run_child, watch
from experiments.record.measurement import (
    ROOT,
    Facts,
    MeasuredRow,
    check_writable,
    facts_of,
    measured_row,
    write_rows,
)
from system.errors import UserError
from system.options import parse, run_and_report

ENCODER = ["--data.shards", "mined", "--data.held_out", "1000", "--training.steps", "0", "--training.epochs", "0",
           "--pretraining.objectives.pairs", "0"]  # fmt: skip
MASKED = [*ENCODER, "--model.mlm_head", "--model.dropout", "0.1", "--data.vocab_size", "4000",
          "--pretraining.steps", "2500", "--pretraining.objectives.mlm", "1",
          "--pretraining.learning_rate", "1e-3"]  # fmt: skip
MATCHED = [*ENCODER, "--model.match_head", "--pretraining.steps", "3000", "--pretraining.objectives.match", "1",
           "--pretraining.learning_rate", "3e-4", "--pretraining.schedule", "cosine", "--data.batch_tokens", "4096",
           "--data.max_source_length", "128"]  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    name: Annotated[Literal["test", "quickstart", "corpus", "matching"], tyro.conf.Positional]  # which check
    run: str = ""  # run folder of a check that trains, empty: runs/ and its name; refused when it holds a run already
    json: Path | None = None  # file for the rows


def check_tests(arguments: list[str]) -> list[MeasuredRow]:
    """Time `make test` once its environment is there. Raises UserError when it fails."""
    venv = os.environ.get("VENV", ".venv")
    if subprocess.run(["make", f"{venv}/.installed-test"], cwd=ROOT).returncode:
        raise UserError("the set-up of `make test` failed; the lines above say why")
    watched = watch(["make", "test"])
    if watched.status:
        raise UserError("`make test` failed, so nothing was measured; the lines above say why")
    facts = facts_asked_of(ROOT / venv / "bin" / "python")
    return [measured_row("checks", "make test", arguments, facts, value=round(watched.seconds, 1), unit="s")]


def check_quickstart(arguments: list[str], run: str) -> list[MeasuredRow]:
    """Time the quick start and watch its memory. Raises UserError when it fails."""
    watched = watch([sys.executable, "train.py", "--run", run])
    if watched.status:
        raise UserError(f"the quick start ended with status {watched.status}, so nothing was measured")
    facts = facts_of(json.loads((ROOT / run / "environment.json").read_text(encoding="utf-8")))
    seconds = {"value": round(watched.seconds, 1), "unit": "s"}
    memory = {"value": round(watched.peak_mib, 1), "unit": "MiB", "measure": watched.measure}
    return [
        measured_row("checks", "quickstart wall time", arguments, facts, **seconds),
        measured_row("checks", "quickstart peak memory", arguments, facts, **memory),
    ]


def check_corpus(arguments: list[str]) -> list[MeasuredRow]:
    """Build the mined corpus in a folder that is deleted, and ask for it again. Raises UserError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "data", "build", "--out", f"{folder}/corpus", "--json", f"{folder}/card.json"]
        first, again = watch(build), watch(build)
        if first.status or again.status:
            raise UserError("`python -m data build` failed, so nothing was measured; the lines above say why")
        card = json.loads(Path(folder, "card.json").read_text(encoding="utf-8"))
    facts, whole = facts_asked_of(Path(sys.executable)), card["characters"]
    megabytes = {"value": round(card["code_by_language"]["python"] / 1e6, 1), "unit": "MB"}
    largest = {"value": round(100 * max(source["characters"] for source in card["sources"]) / whole, 1), "unit": "%"}
    speed = {"value": round(card["bytes_read"] / 1e6 / first.seconds, 2), "unit": "MB/s"}
    measured = {
        "built": {"value": round(first.seconds, 1), "unit": "s"}, "files read": speed,
        "from the cache": {"value": round(again.seconds, 1), "unit": "s"}, "Python": megabytes,
        "largest package": largest,
    }  # fmt: skip
    return [
        measured_row("checks", f"mined corpus, {what}", arguments, facts, **found) for what, found in measured.items()
    ]


def check_matching(arguments: list[str], run: str) -> list[MeasuredRow]:
    """Pretrain an encoder on masked tokens, then on matching, and ask it about held-out functions. Raises UserError."""
    for folder, options in ((f"{run}-mlm", MASKED), (run, [*MATCHED, "--init.from", f"{run}-mlm"])):
        if run_child([sys.executable, "train.py", "--run", folder, *options], ROOT):
            raise UserError(f"the training of {folder} failed, so nothing was measured; the lines above say why")
    facts = facts_of(json.loads((ROOT / run / "environment.json").read_text(encoding="utf-8")))
    found = next(record for record in read_json_lines(ROOT / run / "metrics.jsonl") if "matching_accuracy" in record)
    network, counted, n = (found[f"matching_{name}"] for name in ("accuracy", "bag_of_words", "questions"))
    ahead = {"value": round(100 * (network - counted), 1), "unit": "points"}
    by_function = numpy.array(found["matching_by_function"])  # (functions, 3): asked, right by each
    low, high = interval_of_score(by_function, lambda sums: 100 * (sums[1] - sums[2]) / sums[0])
    beside = {"low": round(low, 1), "high": round(high, 1), "network": network, "bag_of_words": counted, "n": n,
              "functions": len(by_function)}  # fmt: skip
    return [measured_row("checks", "matching, network above bag of words", arguments, facts, **ahead, **beside)]


def facts_asked_of(python: Path) -> Facts:
    """Machine and versions as the Python of another environment reports them."""
    command = [str(python), "-m", "experiments.record.measurement"]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout)


def main(arguments: list[str]) -> int:
    """Run one check and print what was measured."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.checks")
    words = ["experiments.checks", *arguments]
    check_writable(settings.json)
    run = settings.run or f"runs/{settings.name}"
    checks = {
        "test": check_tests, "corpus": check_corpus, "quickstart": partial(check_quickstart, run=run),
        "matching": partial(check_matching, run=run),
    }  # fmt: skip
    rows = checks[settings.name](words)
    write_rows(settings.json, rows)
    for row in rows:
        print(f"{row['row']}: {row['value']:,} {row['unit']}")
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
