"""Small programs that do one job per line, in processes of their own that threads of this one keep busy.

Not forks and not `multiprocessing`, which would import train.py, and PyTorch with it, once more in each of them. A
program ends when its standard input does, so none is left behind when this process is killed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from system.errors import UserError
from system.platform import parent_of_this

PARENT = parent_of_this()
ROOT = Path(__file__).resolve().parents[1]


def run_jobs(
    command: Sequence[str], jobs: Sequence[str], workers: int, failed: Callable[[str], str],
    done: Callable[[], Any] = lambda: None,
) -> list[str]:
    """Run jobs (lines of text) and return the answers in order; each program takes the next job when it is free.

    `done` is called after each job. Raises UserError with `failed(job)` where a program ended instead of answering.
    """
    answers = [""] * len(jobs)
    remaining, lock = iter(enumerate(jobs)), threading.Lock()

    def work() -> None:
        with running(command) as process:
            while True:
                with lock:
                    number, job = next(remaining, (None, ""))
                if number is None:
                    break
                answers[number] = ask(process, job, failed)
                with lock:
                    done()

    n_processes = min(workers, len(jobs))
    with ThreadPoolExecutor(max(1, n_processes)) as pool:
        for job in [pool.submit(work) for _ in range(n_processes)]:
            job.result()
    return answers


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen]:
    """Inside the `with` a program runs that answers each line with a line; at the end it is closed and waited for."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def ask(process: subprocess.Popen, job: str, failed: Callable[[str], str]) -> str:
    """One program's answer to one job. Raises UserError when the program is gone."""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(f"{job}\n")
        process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise UserError(failed(job))
    return answer.rstrip("\n")


def stop_if_alone() -> None:
    """End this program when the process that started it is gone: another may have begun the same job."""
    if parent_of_this() != PARENT:
        raise SystemExit(1)


def answer_jobs(work: Callable[[Any], Any]) -> None:
    """The loop of such a program: every line of standard input is a job in JSON, answered by one line of JSON."""
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)
