"""Several runs at once, each in a process of one thread, with one display: done, running, left, time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from evaluation.finished_run import read_json_lines
from experiments.laboratory.plan import Trial
from experiments.laboratory.worker import BUSY, Places, as_json, folder_of, is_free
from experiments.record.measurement import ROOT
from system.errors import UserError

POLL = 0.5  # seconds between looks at the processes

Waiting = tuple[bool, Trial]  # a run to be made, and whether another process was found at it


@dataclass
class Job:
    """A run in progress."""

    trial: Trial
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def progress(self) -> str:
        """The last step that the run has written down, or else the run whose network it waits for, in words."""
        for trial, what in ((self.trial, ""), (self.trial.network, "the network it begins with, ")):
            if trial is not None:
                records = read_json_lines_safely(folder_of(trial, self.folder.parent) / "metrics.jsonl")
                if steps := [record.get("step", 0) for record in records]:
                    return f"{self.trial.name}: {what}step {steps[-1]:,}"
        return f"{self.trial.name}: begins"


def read_json_lines_safely(path: Path) -> list[dict]:
    """The lines of a file that another process is writing."""
    try:
        return read_json_lines(path)
    except (OSError, UserError):  # its last line may not be whole yet
        return []


def start(trial: Trial, places: Places) -> Job:
    """Begin a run; what it prints goes to a file beside its folder."""
    folder = folder_of(trial, places.runs)
    places.runs.mkdir(parents=True, exist_ok=True)
    message_file = folder.with_suffix(f".{os.getpid()}.json")  # one for each who asks: two may ask for the same run
    message_file.write_text(as_json(trial, places), encoding="utf-8", newline="\n")
    with open(folder.with_suffix(f".{os.getpid()}.log"), "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.laboratory.worker", str(message_file)], cwd=ROOT, stdout=log,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    return Job(trial, process, folder)


def run_all(
    trials: Sequence[Trial], places: Places, jobs: int, found: Callable[[Trial], bool], show: bool = True
) -> dict[str, str]:
    """Make every run, and return those that failed: name -> the last line that it printed.

    `found` says whether a run's line is there: it may have come from another process.
    """
    waiting, running, failed = [(False, trial) for trial in trials], [], {}
    with tqdm(total=len(trials), unit="run", disable=None if show else True, dynamic_ncols=True) as bar:
        try:
            while waiting or running:
                start_waiting(waiting, running, places, jobs)
                time.sleep(POLL)
                for job in [job for job in running if job.process.poll() is not None]:
                    running.remove(job)
                    finish_job(job, waiting, failed, found, bar)
                bar.set_postfix_str("; ".join(job.progress for job in running))
        except BaseException:
            stop(running)
            raise
    return failed


def start_waiting(waiting: list[Waiting], running: list[Job], places: Places, jobs: int) -> None:
    """Begin runs while there is room for them, but none that has met another process before that one has ended."""
    free = [entry for entry in waiting if not entry[0] or is_free(entry[1], places)] if len(running) < jobs else []
    for entry in free[: jobs - len(running)]:
        waiting.remove(entry)
        running.append(start(entry[1], places))


def finish_job(
    job: Job, waiting: list[Waiting], failed: dict[str, str], found: Callable[[Trial], bool], bar: tqdm
) -> None:
    """Deal with a process that has ended: it left a line, or failed, or another process makes its run."""
    message_file, log = (job.folder.with_suffix(f".{os.getpid()}.{ending}") for ending in ("json", "log"))
    status = job.process.returncode
    if status == BUSY:
        waiting.append((True, job.trial))
        return
    if status == 0 and found(job.trial):
        log.unlink(missing_ok=True)
    else:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [f"ended with status {status}"]
        failed[job.trial.name] = f"{said[-1]} ({log})"
        tqdm.write(f"failed: {job.trial.name}: {said[-1]}", file=sys.stderr)
    message_file.unlink(missing_ok=True)
    bar.update()


def stop(running: Sequence[Job]) -> None:
    """Let the runs save their state and end; they go on from there when the suite is run again."""
    for job in running:
        job.process.terminate()
    for job in running:
        job.process.wait()


def seconds_in_words(seconds: float) -> str:
    """Seconds as hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
