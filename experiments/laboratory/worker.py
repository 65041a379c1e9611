"""One run of a suite in a process of its own, under a lock that the operating system takes back when it ends.

    python -m experiments.laboratory.worker TRIAL.json

The lock is held by whoever makes the run, not by who asked for it: if the latter is killed, the run goes on to its end
and leaves its line; if the former is killed, the lock is free at once and the next one goes on from its checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

import train
from data.example import DataError
from data.options import run_and_report
from experiments.laboratory.plan import Trial, hash_of_code, line_of, marks
from experiments.result_lines import append_line, read_suite, run_line
from training.run_folder import is_finished, is_run

BUSY = 75  # exit status: another process makes this run (EX_TEMPFAIL of sysexits.h)


def as_json(trial: Trial, results: Path, runs: Path) -> str:
    """What a worker is told."""
    return json.dumps({"trial": asdict(trial), "results": str(results), "runs": str(runs)})


def from_json(text: str) -> tuple[Trial, Path, Path]:
    """What `as_json` wrote."""
    told = json.loads(text)
    trial = told["trial"]
    tuned = tuple((setting, value) for setting, value in trial["tuned"])
    made = Trial(**{**trial, "options": tuple(trial["options"]), "tuned": tuned})
    return made, Path(told["results"]), Path(told["runs"])


def folder_of(trial: Trial, runs: Path) -> Path:
    """The run folder of a trial: the same for whoever makes it."""
    return runs / f"{trial.asked}-seed-{trial.seed}"


def main(arguments: list[str]) -> int:
    """Make the run unless its line is there or another process is at it."""
    trial, results, runs = from_json(Path(arguments[0]).read_text(encoding="utf-8"))
    folder = folder_of(trial, runs)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return BUSY
    with lock:
        return make_run(trial, results, folder)


def make_run(trial: Trial, results: Path, folder: Path) -> int:
    """Train, score, and append the line. Raises DataError."""
    code = hash_of_code(trial)
    if line_of(trial, read_suite(results, trial.suite), code) is not None:
        return 0
    goes_on = is_run(folder) and last_code(folder) == code  # what another version of the code has begun begins again
    with open(begun_file(folder), "a", encoding="utf-8") as begun:
        begun.write(f"{code} {os.getpid()} {'goes on' if goes_on else 'begins'}\n")
    if not (goes_on and is_finished(folder)):
        status = train.main([*trial.options, f"--run={folder}", "--resume" if goes_on else "--overwrite"])
        if status:
            return status
    line = run_line(folder, trial.suite, trial.row, f"python train.py {' '.join(trial.options)}") | marks(trial)
    if line["code_hash"] != code:
        raise DataError(f"{folder}: the code has changed while this run was made; run the suite again")
    append_line(results, line)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return 0


def begun_file(folder: Path) -> Path:
    """The file beside a run folder that has a line for each time the run was begun or gone on with."""
    return folder.with_suffix(".begun")


def last_code(folder: Path) -> str:
    """The hash of the code that was last at work on the run, "" where none was."""
    begun = begun_file(folder)
    lines = begun.read_text(encoding="utf-8").splitlines() if begun.exists() else []
    return lines[-1].split()[0] if lines else ""


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
