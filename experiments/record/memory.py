"""Wall time and memory of a command, all of its processes together."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SECONDS_BETWEEN_LOOKS = 0.5  # seconds between two looks at the memory
HAS_PSS = Path("/proc/self/smaps_rollup").exists()


@dataclass(frozen=True)
class Watched:
    """What a command has cost."""

    status: int  # exit status
    seconds: float  # by the wall
    peak_mib: float  # largest sum over its processes at any look
    measure: str  # what was summed: PSS or RSS


def watch(command: Sequence[str], folder: Path, every: float = SECONDS_BETWEEN_LOOKS) -> Watched:
    """Run `command` in `folder` and look at the memory of its processes every so many seconds until it ends."""
    peak, known = 0.0, set()
    began = time.monotonic()
    with subprocess.Popen(command, cwd=folder) as child:
        while True:
            known = family(child.pid, known)
            peak = max(peak, sum(memory_mib(process) for process in known))
            try:
                child.wait(every)
                break
            except subprocess.TimeoutExpired:
                continue
    return Watched(child.returncode, time.monotonic() - began, peak, "PSS" if HAS_PSS else "RSS")


def family(pid: int, known: set[psutil.Process]) -> set[psutil.Process]:
    """The process `pid`, what descends from it, and what of `known` still runs though its parent has ended."""
    children = defaultdict(list)
    found = {process for process in known if process.is_running()}
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process)
        if process.pid == pid:
            found.add(process)
    waiting = list(found)
    while waiting:
        new = [process for process in children[waiting.pop().pid] if process not in found]
        found.update(new)
        waiting += new
    return found


def memory_mib(process: psutil.Process) -> float:
    """Memory of one process in MiB, 0 when it has ended: pages that several processes share are counted in shares.

    That is Linux's proportional set size. Where the system does not know it, it is the resident memory, in which
    shared pages count once for each process.
    """
    try:
        if not HAS_PSS:
            return process.memory_info().rss / 2**20
        shares = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii", errors="replace")
        for line in shares.splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 2**10  # the system counts in KiB
    except (OSError, psutil.Error):
        pass
    return 0.0
