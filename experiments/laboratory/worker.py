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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import train
from experiments.laboratory.plan import Code, Trial, line_of, trial_marks
from experiments.record.lines import append_line, command_of, pretraining_of, read_suite, run_line
from experiments.record.measurement import ROOT
from experiments.record.records import runs, stored_line
from system.errors import UserError
from system.options import run_and_report
from training.run.code_hash import code_hash, imported_files
from training.run.folder import is_finished, is_run

BUSY = 75  # exit status: another process makes this run (EX_TEMPFAIL of sysexits.h)


@dataclass(frozen=True)
class Places:
    """Where runs are made, where their lines go, and with which code."""

    results: Path
    runs: Path
    code: Code


def as_json(trial: Trial, places: Places) -> str:
    """The message to a worker: the trial and its places, as JSON."""
    code = asdict(places.code)
    return json.dumps(
        {"trial": asdict(trial), "results": str(places.results), "runs": str(places.runs), "code": code}
    )


def from_json(text: str) -> tuple[Trial, Places]:
    """The trial and the places of a message that `as_json` wrote."""
    message = json.loads(text)
    code = Code(message["code"]["hash"], tuple(message["code"]["files"]))
    return trial_of(message["trial"]), Places(Path(message["results"]), Path(message["runs"]), code)


def trial_of(message: dict[str, Any]) -> Trial:
    """A trial from its fields as JSON has them."""
    lists = {"options": tuple(message["options"]), "tuned": tuple((name, value) for name, value in message["tuned"])}
    others = {name: trial_of(message[name]) if message[name] else None for name in ("network", "teacher")}
    return Trial(**{**message, **lists, **others})


def folder_of(trial: Trial, runs: Path) -> Path:
    """The run folder of a trial: the same for whoever makes it."""
    return runs / f"{trial.request_hash}-seed-{trial.seed}"


def main(arguments: list[str]) -> int:
    """Make the run unless its line is there or another process is at it.

    Where the network that it begins with, or its teacher, is not there, that is made first, and the run is left for
    another time.
    """
    trial, places = from_json(Path(arguments[0]).read_text(encoding="utf-8"))
    places.runs.mkdir(parents=True, exist_ok=True)
    if line_of(trial, runs(read_suite(places.results, trial.suite)), {places.code.hash}) is not None:
        return 0
    missing = first_missing(trial, places)
    return under_lock(trial, places, make_run) if missing is trial else under_lock(missing, places, train_run) or BUSY


def first_missing(trial: Trial, places: Places) -> Trial:
    """The first run that has to be made: one that this run needs, or else the run itself."""
    for needed in (trial.network, trial.teacher):
        if needed is not None and not is_made(needed, places):
            return first_missing(needed, places)
    return trial


def under_lock(trial: Trial, places: Places, make: Callable[[Trial, Places], int]) -> int:
    """The exit status of `make`, BUSY where another process is at this run."""
    lock = lock_of(trial, places)
    try:
        lock.acquire()
    except Timeout:
        return BUSY
    with lock:
        return make(trial, places)


def is_free(trial: Trial, places: Places) -> bool:
    """Whether no process is at the run that has to be made first for this trial."""
    with suppress(Timeout), lock_of(first_missing(trial, places), places):
        return True
    return False


def lock_of(trial: Trial, places: Places) -> FileLock:
    """The lock of a run, not yet acquired: whoever makes it holds it."""
    return FileLock(folder_of(trial, places.runs).with_suffix(".lock"), timeout=0)


def is_made(trial: Trial, places: Places) -> bool:
    """Whether today's code has made this run, and finished it."""
    folder = folder_of(trial, places.runs)
    return is_finished(folder) and last_code(folder) == places.code.hash


def make_run(trial: Trial, places: Places) -> int:
    """Train, score, and append the line. Raises UserError."""
    folder, code = folder_of(trial, places.runs), places.code.hash
    if line_of(trial, runs(read_suite(places.results, trial.suite)), {code}) is not None:
        return 0
    status = train_run(trial, places)
    if status:
        return status
    command = command_of({"command": ["train.py", *with_folders(trial, places)]})
    line = replace(run_line(folder, trial.suite, trial.row, command), trial=trial_marks(trial), code_hash=code)
    if trial.network is not None:
        made_by = command_of({"command": ["train.py", *with_folders(trial.network, places)]})
        made = replace(pretraining_of(folder_of(trial.network, places.runs)), command=made_by)
        line = replace(line, pretraining=made)
    append_line(places.results, stored_line(line))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return 0


def with_folders(trial: Trial, places: Places) -> tuple[str, ...]:
    """The run's options, with the folders of the network that it begins with and of its teacher."""
    folders = {"init.from": trial.network, "strategies.teacher.run": trial.teacher}
    given = [f"--{name}={folder_of(run, places.runs)}" for name, run in folders.items() if run is not None]
    return (*(option for option in trial.options if not option.startswith("--strategies.teacher.run=")), *given)


def train_run(trial: Trial, places: Places) -> int:
    """Train and score, or go on with it. Raises UserError."""
    folder, code = folder_of(trial, places.runs), places.code.hash
    goes_on = is_run(folder) and last_code(folder) == code  # what another version of the code has begun begins again
    with open(begun_file(folder), "a", encoding="utf-8", newline="\n") as begun:
        begun.write(f"{code} {os.getpid()} {'goes on' if goes_on else 'begins'}\n")
    if not (goes_on and is_finished(folder)):
        what = "--resume" if goes_on else "--overwrite"
        status = train.main([*with_folders(trial, places), f"--run={folder}", what])
        if status:
            return status
    check_code(places.code, folder)
    return 0


def check_code(code: Code, folder: Path) -> None:
    """Refuse a run that was not made with the code that the suite was begun with. Raises UserError."""
    used = {file.relative_to(ROOT.resolve()).as_posix() for file in imported_files(ROOT)}
    if not used <= {*code.files} or code_hash(ROOT, [ROOT / file for file in code.files]) != code.hash:
        begun_file(folder).unlink(missing_ok=True)
        raise UserError(f"{folder}: the code has changed while this run was made; run the suite again")


def begun_file(folder: Path) -> Path:
    """The file beside a run folder with a line for each time that the run was begun or continued."""
    return folder.with_suffix(".begun")


def last_code(folder: Path) -> str:
    """The hash of the code that last worked on the run; "" where none has."""
    begun = begun_file(folder)
    lines = begun.read_text(encoding="utf-8").splitlines() if begun.exists() else []
    return lines[-1].split()[0] if lines else ""


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
