"""`train.py` or `eval.py` of the tree in the current folder, with a line of metrics.jsonl for every step.

The text of this file is given to `python -c`, so that the tree may be another commit's, without this file in it. It
imports nothing of the project by name but the program itself: modules may lie elsewhere in that commit.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

EVERY = "METRICS_EVERY"  # the constant of the training loop: steps between two lines


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


def main(program: str, words: list[str]) -> None:
    """Run the program as its own command would run; leave with a line where Python finds another tree's."""
    root = Path.cwd().resolve()
    found = Path(importlib.import_module(program).__file__).resolve()
    if found.parent != root:
        raise SystemExit(f"error: {program}.py of {root} is needed, but Python finds {found}")
    if program == "train":
        write_every_step(root)
    sys.argv = [str(found), *words]
    runpy.run_path(str(found), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
