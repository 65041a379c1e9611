"""Commands of the project run as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.record.measurement import ROOT
from system.errors import UserError

if TYPE_CHECKING:
    from experiments.record.memory import Watched

STOPPED = 130  # exit status of a run that was interrupted


def run_child(command: Sequence[str], folder: Path) -> int:
    """Run a command to its end and give its exit status.

    Ctrl-C goes to it too, as it belongs to the same terminal: it is waited for, however long it takes to save its work.
    (`subprocess.run` would kill it after a quarter of a second.)
    """
    child = subprocess.Popen(command, cwd=folder)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def run_side_by_side(commands: Mapping[str, Sequence[str]], folder: Path, at_once: int) -> dict[str, int]:
    """Run commands to their ends, `at_once` at a time, and give the exit status of each.

    What a command says stands behind its name, as lines of several are mixed. When one fails, and on Ctrl-C, those that
    run are waited for and no other is begun: its status is STOPPED.
    """
    stop = threading.Event()

    def run(name: str) -> int:
        """The exit status of one command, when it has ended."""
        if stop.is_set():
            return STOPPED
        child = subprocess.Popen(
            commands[name], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            errors="replace",
        )
        for line in child.stdout:
            sys.stdout.write(f"{name:<{width}}  {line}")
            sys.stdout.flush()
        if status := child.wait():
            stop.set()
        return status

    width = max(map(len, commands), default=0)
    with ThreadPoolExecutor(at_once) as pool:
        statuses = {name: pool.submit(run, name) for name in commands}
        while True:
            try:
                return {name: status.result() for name, status in statuses.items()}
            except KeyboardInterrupt:
                stop.set()


def watch(command: list[str]) -> Watched:
    """Run a command from the repository's root and measure it. Raises UserError where psutil is missing."""
    try:
        from experiments.record import memory
    except ModuleNotFoundError as error:
        raise UserError(f'{error.name} is not installed (pip install -e ".[test]")') from None
    return memory.watch(command, ROOT)
