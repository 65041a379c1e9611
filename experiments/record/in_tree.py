"""Runs `train.py` or `eval.py` of any tree, a process for each, and begins them quickly.

The text of this file is given to `python -c`, with the path of system/platform.py of the tree that compares others and
names of libraries that take long to load. It loads them, waits for commands on standard input, a line of JSON each, and
forks for each: the child goes to the tree, whose modules come before all others, and becomes the program. Of the
project nothing is imported by name but the program, as modules may lie elsewhere in another commit. Printed are the
number of the child's process and, when it has ended, its exit status. `eval.py` may be given the predictions that it
scores, in the place of what the network writes.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVERY = "METRICS_EVERY"  # the constant of the training loop: steps between two lines of metrics.jsonl
WRITERS = ("predict_candidates", "predict")  # by which scoring has the network write; the second one in older trees
SHOWN = "decoding "  # what the name of a split begins with that a writer is told


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


def score_what_is_given(file: Path) -> None:
    """Let scoring take a split's predictions from a JSON file, split -> texts, in the place of the network's.

    A split that the file does not name, the lines of another one changed a little, gets those of that one.
    """
    evaluate = importlib.import_module("evaluation.evaluate")
    writer = next(name for name in WRITERS if hasattr(evaluate, name))
    given = json.loads(file.read_text(encoding="utf-8"))

    def answers(model: Any, tokenizer: Any, descriptions: list[str], config: Any, data: Any, shown: str, *_: Any):
        """The texts as the writer gives them, and how many descriptions were cut."""
        split = max((name for name in given if shown.removeprefix(SHOWN).startswith(name)), key=len)
        texts = given[split][: len(descriptions)]
        if writer == "predict":
            return texts, 0
        candidate = importlib.import_module("evaluation.predict").Candidate
        return [[candidate(text, 0.0)] for text in texts], 0

    setattr(evaluate, writer, answers)


def run(root: Path, program: str, words: list[str], given: str = "") -> None:
    """Run a program as its own command would; leave with a line where Python finds another tree's."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    found = Path(importlib.import_module(program).__file__).resolve()
    if found.parent != root:
        raise SystemExit(f"error: {program}.py of {root} is needed, but Python finds {found}")
    if program == "train":
        write_every_step(root)
    if given:
        score_what_is_given(Path(given))
    sys.argv = [str(found), *words]
    runpy.run_path(str(found), run_name="__main__")


def become(
    root: str, program: str, words: list[str], variables: dict[str, str], files: list[str], given: str
) -> None:
    """In the child: its own variables, standard output and standard error; then the program."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(variables)
    for number, file in enumerate((os.devnull, *files)):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
    run(Path(root).resolve(), program, words, given)


def status_of(child: int, asker: int, parent: Callable[[], int]) -> int:
    """The exit status of the child when it has ended. It is killed when the process that asked for it is gone."""
    while True:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            return os.waitstatus_to_exitcode(status)
        if parent() != asker:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def main() -> None:
    """Load the libraries that are named, and fork for each line; the end of the input is the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the programs
    platform = runpy.run_path(sys.argv[1])
    for name in sys.argv[2:]:
        importlib.import_module(name)
    parent = platform["parent_of_this"]
    asker = parent()
    for line in sys.stdin:
        child = platform["fork"]()
        if child == 0:
            become(**json.loads(line))
            return
        print(child, flush=True)
        print(status_of(child, asker, parent), flush=True)


if __name__ == "__main__":
    main()
