"""The processes that `python train.py` starts beside itself on a CPU: one a core, as far as a step has batches.

Small steps are made of Python and of waiting, which threads do not share and processes do. This one becomes the first
process (rank 0): it starts the others, with the same arguments, before PyTorch is loaded, which takes seconds. Nobody
is started under torchrun, by whoever imports train.py (a notebook, a suite), on Windows, where there is a GPU, and with
--threads, --check or --parallel.mode none.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from system.cores import usable_cores
from system.errors import UserError
from system.from_disk import Table, read_typed
from system.options import given_names, value_of
from system.platform import WINDOWS, of_own_group
from training.recipes import FINE_TUNING, recipe

STORE = "CODEGEN_STORE"  # the file by which the processes find each other
ALONE = {"threads", "check", "help", "trust", "parallel.dry_run"}  # options with which nobody is started
GRACE = 5.0  # seconds in which this process may say itself why it ends when another one has ended
GPUS = ("/proc/driver/nvidia/version", "/dev/kfd")


STARTED: list[Others] = []  # by this process
SAYING = threading.Lock()  # held by the thread of the first process that says why it ends: no other one says so too


@dataclass
class Begun:
    """The types of what is used here of a run's config.json."""

    parallel: Table = field(default_factory=dict)
    pretraining: Table = field(default_factory=dict)
    training: Table = field(default_factory=dict)


@dataclass
class Others:
    """The other processes, as the first one sees them."""

    folder: Path  # a private one, for the store and for what they print until the run has a folder
    processes: list[subprocess.Popen]
    logs: Path | None = None  # of the run's folder

    def said(self, rank: int) -> str:
        """The last line that a process has printed."""
        for folder in filter(None, (self.logs, self.folder)):
            log = folder / f"rank-{rank}.log"
            text = log.read_text(encoding="utf-8", errors="replace").strip() if log.is_file() else ""
            if text:
                return text.splitlines()[-1]
        return "it said nothing"

    def lost(self) -> str:
        """Which process has ended before its time, and how; "" where none has."""
        for rank, process in enumerate(self.processes, start=1):
            status = process.poll()
            if status:
                how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
                return f"process {rank} of {len(self.processes) + 1} {how} ({self.said(rank)})"
        return ""

    def watch(self) -> None:
        """End this process when another one has ended before its time: nothing would come of waiting for it."""
        while not (lost := self.lost()):
            if all(process.poll() == 0 for process in self.processes):
                return
            time.sleep(0.2)
        time.sleep(GRACE)
        if SAYING.acquire(blocking=False):
            print(f"error: {lost}", file=sys.stderr)
            os._exit(2)

    def end(self) -> None:
        """End the others, which write nothing, and delete what they have left."""
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_others(argv: list[str]) -> Others | None:
    """Start the other processes of this command, if it is to have any."""
    world = number_of_processes(argv)
    if world < 2 or "WORLD_SIZE" in os.environ:  # torchrun has started enough
        return None
    folder = Path(tempfile.mkdtemp(prefix="codegen-"))
    threads = max(1, usable_cores() // world)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ |= {"WORLD_SIZE": str(world), STORE: str(folder / "store")}
    processes = []
    for rank in range(1, world):
        with open(folder / f"rank-{rank}.log", "wb") as log:
            processes.append(subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]], env=os.environ | {"RANK": str(rank)}, stdin=subprocess.PIPE,
                stdout=log, stderr=log, **of_own_group(),
            ))  # fmt: skip
    os.environ["RANK"] = "0"
    others = Others(folder, processes)
    STARTED.append(others)
    threading.Thread(target=others.watch, daemon=True).start()
    atexit.register(others.end)
    return others


def lost_process() -> str:
    """Which of the processes that this one has started has ended before its time, and how; "" where none has."""
    for others in STARTED:
        until = time.monotonic() + 1  # its connection ends before it does
        while not others.lost() and time.monotonic() < until:
            time.sleep(0.05)
        return others.lost()
    return ""


def stopped_status() -> int:
    """The exit status of a run that was asked to stop; torchrun would start again what ends with another one than 0."""
    return 0 if "TORCHELASTIC_RUN_ID" in os.environ or os.environ.get("RANK", "0") != "0" else 130


def end_with_parent() -> None:
    """In a process that another one has started: end when that is gone, be it killed."""
    if STORE in os.environ and os.environ.get("RANK", "0") != "0":
        threading.Thread(target=end_when_alone, daemon=True).start()


def end_when_alone() -> None:
    """Wait for the end of standard input, then end this process; its parent cannot tidy up any more."""
    while os.read(0, 1024):  # not sys.stdin: Python aborts where it ends while a thread holds that one's lock
        pass
    shutil.rmtree(Path(os.environ[STORE]).parent, ignore_errors=True)
    os._exit(1)


def number_of_processes(argv: list[str]) -> int:
    """How many processes train what a command asks for: one a core, and none without a batch."""
    given, device = given_names(argv), value_of(argv, "--device") or "auto"
    if WINDOWS or ALONE & given or device not in ("auto", "cpu") or (device == "auto" and has_gpu()):
        return 1
    try:
        asked = int(value_of(argv, "--parallel.processes") or 0)
        mode, batches = batches_of_step(argv)
    except (UserError, ValueError, TypeError):  # who reads the command line will say what is wrong
        return 1
    if (value_of(argv, "--parallel.mode") or mode) == "none":
        return 1
    return min(asked or usable_cores(), batches)


def batches_of_step(argv: list[str]) -> tuple[str, int]:
    """The mode that a run was begun with, "" for a new one, and the most batches of a step of one of its phases."""
    run = value_of(argv, "--run")
    if "--resume" in argv:
        begun = read_typed(Path(run or "runs/quickstart") / "config.json", Begun)
        accumulate = [int(loop.get("accumulate", 1)) for loop in (begun.pretraining, begun.training)]
        return str(begun.parallel.get("mode", "none")), max(accumulate)
    corpus = argv[0] if argv and not argv[0].startswith("-") else "generated"
    start = recipe(corpus, value_of(argv, "--preset"))
    phases = {"pretraining": start.pretraining, "training": start.training}
    if value_of(argv, "--init.from"):
        phases["training"] = FINE_TUNING
    return "", max(int(value_of(argv, f"--{name}.accumulate") or loop.accumulate) for name, loop in phases.items())


def check_enough_batches(world: int, batches: dict[str, int]) -> None:
    """Refuse more processes, started by torchrun, than a step has batches: phase -> batches. Raises UserError.

    `python train.py` starts as many as the phase of most batches can use; in another one some may have none.
    """
    if world <= max(batches.values()) or STORE in os.environ:
        return
    phase, n = max(batches.items(), key=lambda pair: pair[1])
    raise UserError(
        f"{phase}.accumulate={n} has work for {n} of {world} processes; give --{phase}.accumulate {world} or a "
        f"multiple of it, or start {n}"
    )


def has_gpu() -> bool:
    """Whether PyTorch may find a GPU here, asked before it is loaded."""
    return sys.platform == "darwin" or any(Path(path).exists() for path in GPUS)
