"""A command of the project run as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


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
