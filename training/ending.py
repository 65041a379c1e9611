"""How processes that train together end together: what one of them dies of ends them all, and is printed once.

    together      the main function of one of several processes
    tell          say into the store what this process ends of; the first to do so is heard
    watch         a thread in each process that looks into the store: it ends the process when another one has told
    lost          the error for an exchange that has failed: which process is gone, or no longer answers

The first process (rank 0) prints, the others do where it cannot. Whatever a process is in the middle of (an exchange,
a long computation, waiting for the first one), it ends within seconds and with exit status 2.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from torch.distributed import Store

from system.errors import UserError
from system.options import as_line, value_of
from system.terminal import error_line
from training.meeting import has_ended, meet, restarts, wait_for
from training.processes import SAYING, STORE, lost_process
from training.run.folder import is_run

FAILED, SAID = "failed", "said"  # what a process has ended of; that somebody has printed it
EVERY = 0.5  # seconds between two looks into the store
GRACE = 5.0  # seconds in which another process may print what this one has told
ROLL_CALL = 3.0  # seconds in which the processes that are left say so
TERMINAL: list[int] = []  # the standard error that this process was started with, where it prints elsewhere
EARLY: list[BinaryIO] = []  # the file of what it prints before the run has a folder
GONE = "the store by which the processes find each other is gone (torchrun, or its machine); go on with --resume"


def together(main: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    """`main` for one of several processes; alone it is `main` itself."""
    return main if "WORLD_SIZE" not in os.environ else lambda argv: run_together(main, argv)


def run_together(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """main(argv); an error is told to the others, and raised where this is the process that prints it."""
    rank, world, store = meet()
    if rank and {"--help", "--check"} & set(argv):
        return 0
    if rank and STORE not in os.environ:
        hush()
    over = threading.Event()
    watching = threading.Thread(target=watch, args=(rank, store, over), daemon=True)
    watching.start()
    try:
        return main(as_restarted(argv))
    except Exception as error:
        over.set()
        line = as_line(error)
        if rank:  # into its log
            print(f"error: {line}" if line else traceback.format_exc(), file=sys.stderr, flush=True)
        line = line or f"{type(error).__name__}: {error}"
        if not self_says(rank, store, tell(rank, world, store, line)):
            raise SystemExit(2) from None
        if rank == 0:
            raise
        speak()
        raise UserError(named(rank, world, line)) from error
    finally:
        over.set()  # a thread that is in the store while Python ends would end it with a crash
        watching.join()


def tell(rank: int, world: int, store: Store, line: str) -> bool:
    """Say into the store, and to torchrun, what this process ends of. Returns whether it is the first to tell."""
    line = named(rank, world, error_line(line))
    try:
        own = f"{rank} {line}"
        first = store.compare_set(FAILED, "", own).decode() == own
    except RuntimeError:  # the store is gone with its process
        first = True
    if first:
        report_to_torchrun(line)
    return first


def report_to_torchrun(line: str) -> None:
    """Let the line stand in torchrun's own report of a process that has failed, in the form that it reads."""
    if file := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        more = {"py_callstack": line, "timestamp": str(int(time.time()))}
        text = json.dumps({"message": {"message": line, "extraInfo": more}})
        with suppress(OSError):
            Path(file).write_text(text, encoding="utf-8", newline="\n")


def named(rank: int, world: int, line: str) -> str:
    """The line with the process that it comes from, where it does not begin with one."""
    return line if line.startswith("process ") else f"process {rank} of {world}: {line}"


def self_says(rank: int, store: Store, first: bool) -> bool:
    """Whether this process prints what it ends of: the first one does, unless its watching thread already has.

    Another one gives it time to, and prints where nothing comes: the first process is gone, or stopped.
    """
    if rank == 0:
        if not SAYING.acquire(blocking=False):
            time.sleep(2 * GRACE)  # the thread that is printing ends this process
            return False
        note_said(store)
        return True
    return first and not was_said(store)


def was_said(store: Store) -> bool:
    """Wait for somebody to print what has been told; whether that came about."""
    until = time.monotonic() + GRACE
    with suppress(RuntimeError):
        while time.monotonic() < until:
            if store.check([SAID]):
                return True
            time.sleep(0.05)
    return False


def note_said(store: Store) -> None:
    """Say that what was told is printed."""
    with suppress(RuntimeError):
        store.set(SAID, "")


def watch(rank: int, store: Store, over: threading.Event) -> None:
    """End this process when another one has told what it ends of, or when the store is gone with its machine."""
    while not over.wait(EVERY):
        told = heard(store)
        if not told or over.wait(2 * EVERY):  # whoever has met the same error says so itself
            continue
        if rank == 0 and not SAYING.acquire(blocking=False):
            return
        if rank == 0 or (told == GONE and os.environ.get("LOCAL_RANK") == "0"):
            speak()
            print("error:", told, file=sys.stderr, flush=True)
            note_said(store)
        elif told != GONE:
            was_said(store)
        os._exit(2)


def heard(store: Store) -> str:
    """What another process has told that it ends of, "" for nothing."""
    try:
        return store.get(FAILED).decode().split(" ", 1)[1] if store.check([FAILED]) else ""
    except RuntimeError:
        return GONE


def lost(rank: int, world: int, store: Store, silent_for: float) -> UserError:
    """The error for an exchange that has failed: what the lost process has told, or else which one it is.

    silent_for: seconds for which another process has not answered; 0 where its connection has ended.
    """
    if known := lost_process():
        return UserError(f"{known}; go on with --resume")
    missing, ended, told = [], [], ""
    with suppress(RuntimeError):
        store.set(f"left {rank}", str(silent_for))
        until = time.monotonic() + ROLL_CALL
        while not told and not ended and time.monotonic() < until:
            time.sleep(0.05)
            told = heard(store)
            missing = [other for other in range(world) if not store.check([f"left {other}"])]
            ended = [other for other in missing if has_ended(store, other)]
        left = [other for other in range(world) if other not in missing]
        silent_for = max(float(store.get(f"left {other}")) for other in left)
    if told:
        return UserError(told)
    return UserError(f"{who(ended or missing, rank, world, 0.0 if ended else silent_for)}; go on with --resume")


def who(lost: list[int], rank: int, world: int, silent_for: float) -> str:
    """The processes that are lost, and how."""
    if not lost:
        return f"process {rank} of {world}: an exchange has failed, and no process is known to be lost"
    have = "has" if len(lost) == 1 else "have"
    how = f"{have} not answered for {silent_for:.0f} s" if silent_for else f"{have} ended"
    return f"process {', '.join(map(str, lost))} of {world} {how}; the others end too"


def wait_patiently(world: int, store: Store, key: str) -> None:
    """Wait, however long it takes, for what the first process says. Raises UserError where a process has ended."""

    def look() -> None:
        if told := heard(store):
            raise UserError(told)
        if has_ended(store, 0):
            raise UserError(f"{who([0], 0, world, 0.0)}; go on with --resume")

    wait_for(store, [key], math.inf, look)


def hush() -> None:
    """Let this process print where nobody looks, until the run has a folder for what it prints."""
    TERMINAL.append(os.dup(sys.stderr.fileno()))
    EARLY.append(tempfile.TemporaryFile())
    print_into(EARLY[0].fileno())


def speak() -> None:
    """Let this process use the terminal that it was started with."""
    for terminal in TERMINAL:
        print_into(terminal)


def print_into(file: int) -> None:
    """Send what is printed from here on into an open file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(file, stream.fileno())


def log_into(path: Path) -> None:
    """Add what this process has printed since `hush`, and all that it prints from here on, to a file. OSError."""
    with open(path, "ab") as log:
        print_into(log.fileno())
        for file in EARLY:
            file.seek(0)
            log.write(file.read())
    EARLY.clear()


def as_restarted(argv: list[str]) -> list[str]:
    """The arguments of a command that torchrun has started again: it goes on with its run, and overwrites nothing."""
    run = Path(value_of(argv, "--run") or "runs/quickstart")
    if not restarts() or not is_run(run):
        return argv
    return [argument for argument in argv if argument not in ("--overwrite", "--resume")] + ["--resume"]
