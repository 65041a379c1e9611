"""Rows of starting: how long `import train` takes, and how long it is until the first batch of a second run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from tqdm import tqdm

from experiments.record.measurement import ROOT
from experiments.speed.rows import Row
from system.errors import UserError

FIRST_BATCH = """
import sys, time
import train
began = time.perf_counter()
class Arrived(BaseException):
    pass
def arrived(*_):
    print("first batch after", time.perf_counter() - began, flush=True)
    raise Arrived
train.take_step = arrived
try:
    train.main(["--run", sys.argv[1], "--overwrite"])
except Arrived:
    pass
"""


def measure_start(settings: Any) -> list[Row]:
    """Measure both in new processes, one after the other; the first run of each fills caches and does not count."""
    rounds = range(settings.rounds + 1)
    with tqdm(total=2 * len(rounds), leave=False, disable=None, desc="starting") as bar:
        imports, batches = [], []
        for _ in rounds:
            imports.append(seconds_of(["-c", "import train"]))
            bar.update()
        with tempfile.TemporaryDirectory() as folder:
            for _ in rounds:
                batches.append(until_first_batch(os.path.join(folder, "run")))
                bar.update()
    return [
        Row("import of train.py", "s", imports[1:]),
        Row("first batch of the quick start, caches warm", "s", batches[1:]),
    ]


def seconds_of(arguments: list[str]) -> float:
    """The wall time of a Python process, in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)
    return time.perf_counter() - began


def until_first_batch(folder: str) -> float:
    """Seconds from the end of train.py's imports to the quick start's first batch. Raises UserError."""
    done = subprocess.run([sys.executable, "-c", FIRST_BATCH, folder], cwd=ROOT, capture_output=True, encoding="utf-8")
    for line in done.stdout.splitlines():
        if line.startswith("first batch after"):
            return float(line.split()[-1])
    raise UserError(f"no first batch came: {done.stderr.strip().splitlines()[-1:]}")
