"""Runs `train.py` or `eval.py` of any tree, a process for each, and begins them quickly.

The text of this file is given to `python -c`, with names of libraries that take long to load. It loads them, waits for
commands on standard input, a line of JSON each, and forks for each: the child goes to the tree, whose modules come
before all others, and becomes the program. Of the project nothing is imported by name but the program, as modules may
lie elsewhere in another commit. Printed are the number of the child's process and, when it has ended, its exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path

EVERY = "METRICS_EVERY"  # the constant of the training loop: steps between two lines of metrics.jsonl


def own_modules(root: Path) -> list[object]:
    """The modules of this tree that are loaded."""
    files = [(module, getattr(module, "__file__", None)) for module in list(sys.modules.values())]
    return [module for module, file in files if file and Path(file).resolve().is_relative_to(root)]


def write_every_step(root: Path) -> None:
    """Set the constant wherever it lies; leave with a line where it is nowhere."""
    holders = [module for module in own_modules(root) if hasattr(module, EVERY)]
    if not holders:
        raise SystemExit(f"error: no module of {root} has {EVERY}, so the loss of each step cannot be read")
    for module in holders:
        setattr(module, EVERY, 1)


def run(root: Path, program: str, words: list[str]) -> None:
    """Run a program as its own command would; leave with a line where Python finds another tree's."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    found = Path(importlib.import_module(program).__file__).resolve()
    if found.parent != root:
        raise SystemExit(f"error: {program}.py of {root} is needed, but Python finds {found}")
    if program == "train":
        write_every_step(root)
    sys.argv = [str(found), *words]
    runpy.run_path(str(found), run_name="__main__")


def become(root: str, program: str, words: list[str], variables: dict[str, str], files: list[str]) -> None:
    """In the child: its own variables, standard output and standard error; then the program."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(variables)
    for number, file in enumerate((os.devnull, *files)):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
    run(Path(root).resolve(), program, words)


def main() -> None:
    """Load the libraries that are named, and fork for each line; the end of the input is the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the programs
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
