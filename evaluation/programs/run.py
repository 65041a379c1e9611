"""Run generated programs and their tests in processes of their own, so that they cannot touch this one.

A small server (evaluation/programs/server.py) forks one fresh process a program, with limits on time, memory and
output. That contains accidents, not attackers: it is no sandbox. So only programs that stay inside the generated
grammar run (evaluation/programs/check.py); any other is failed and counted as refused, unless `untrusted` is given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args

from evaluation.programs.check import GRAMMAR_NAMES, reason_to_refuse
from system.errors import UserError
from system.platform import CAN_FORK, of_own_group

Status = Literal["passed", "failed", "refused", "time", "memory", "error"]
Job = tuple[str, Sequence[str]]  # code, and the statements that raise when it is wrong

SERVER = Path(__file__).with_name("server.py")
ROOT = Path(__file__).resolve().parents[2]
KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # what starting Python may need; programs see no more


@dataclass(frozen=True)
class Outcome:
    """The outcome of running one program."""

    passed: bool
    # failed: it or a test raised. refused: not run. time, memory: over the limit. error: its process broke down
    status: Status
    message: str = ""  # one line: the exception, or why the program was refused


def run_programs(
    jobs: Sequence[Job],
    time_limit: float = 2.0,
    memory_limit: int = 256,
    untrusted: bool = False,
    workers: int = 0,
) -> list[Outcome]:
    """Run each program and then its tests; the outcomes in the order of `jobs`.

    A program passes when neither it nor any of its tests raises within `time_limit` seconds and `memory_limit` MiB
    above what a bare Python takes. `untrusted` runs everything, also what could reach files and the network.
    `workers` programs run at a time; 0: one per core. Raises ValueError for a job without tests, which every program
    would pass, UserError for `untrusted` where the kernel sets no limits, and RuntimeError when the server breaks down.
    """
    if untrusted and not CAN_FORK:
        raise UserError("programs of others run only under limits of the kernel, which Windows does not have; "
                        "leave run_untrusted out, or use WSL, Linux or macOS")  # fmt: skip
    for index, (_, tests) in enumerate(jobs):
        if not tests:
            raise ValueError(f"program {index} has no tests, so running it shows nothing; leave it out")
    refusals = [None if untrusted else reason_to_refuse(code) for code, _ in jobs]
    outcomes = [Outcome(False, "refused", reason) if reason else None for reason in refusals]
    pending = deque(index for index, outcome in enumerate(outcomes) if outcome is None)
    command = _server_command(time_limit, memory_limit)
    workers = min(workers or os.cpu_count() or 1, len(pending))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        threads = [pool.submit(_work, command, jobs, outcomes, pending, not untrusted) for _ in range(workers)]
        try:
            for thread in threads:
                thread.result()
        except BaseException:  # Ctrl-C included: the other threads stop after the program they are at
            pending.clear()
            raise
    return outcomes


def _server_command(time_limit: float, memory_limit: int) -> list[str]:
    """A Python that reads no user's or site's packages and no folder of ours, and writes no compiled files."""
    python = [sys.executable, "-P", "-s", "-S", "-B", str(SERVER)]
    return [*python, str(time_limit), str(memory_limit), " ".join(sorted(GRAMMAR_NAMES))]


def _work(
    command: list[str], jobs: Sequence[Job], outcomes: list[Outcome | None], pending: deque[int], restricted: bool
) -> None:
    """Fill in the outcomes of pending jobs with a server of this thread's own until none is left."""
    environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = str(ROOT)  # for system/platform.py; the server takes it away
    environment["PYTHONHASHSEED"] = "0"  # the order of a set, and so an outcome, must not depend on the run
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [*command, folder], stdin=pipe, stdout=pipe, stderr=complaints, env=environment, **of_own_group()
        ) as server,
    ):
        if not _answer(server, complaints)["memory_limited"]:
            warnings.warn("this system does not limit the memory of generated programs", stacklevel=2)
        while pending:
            try:
                index = pending.popleft()
            except IndexError:  # another thread took the last one
                return
            code, tests = jobs[index]
            job = {"code": code, "tests": list(tests), "restricted": restricted}
            outcomes[index] = _outcome(_answer(server, complaints, job))


def _answer(server: subprocess.Popen, complaints: IO[bytes], job: dict | None = None) -> dict:
    """Send a job, if any, and read one line. Raises RuntimeError with the server's last words when it is gone."""
    try:
        if job is not None:
            server.stdin.write(json.dumps(job).encode() + b"\n")
            server.stdin.flush()
        return json.loads(server.stdout.readline())
    except (BrokenPipeError, ValueError) as error:
        complaints.seek(0)
        words = complaints.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"the process that runs generated programs broke down: {words[-1]}") from error


def _outcome(answer: dict) -> Outcome:
    """The server's answer; a status that no honest program reports counts as a breakdown."""
    status = answer["status"] if answer["status"] in get_args(Status) else "error"
    return Outcome(status == "passed", status, answer["message"])
