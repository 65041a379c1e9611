"""How many cores this process may use: the machine's, fewer where its affinity or its container's limits say so."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

V2 = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000": microseconds of processor in so many of time, or "max 100000"
V1 = tuple(Path("/sys/fs/cgroup/cpu", name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))


def usable_cores() -> int:
    """At least 1. The machine's load plays no part: what a command computes must not depend on it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, container_cores() or cores))


def container_cores() -> int | None:
    """Whole cores that the container's limit amounts to; None where there is none."""
    with suppress(OSError, ValueError):
        quota, period = map(int, V2.read_text(encoding="ascii").split())
        return max(1, quota // period)
    with suppress(OSError, ValueError):
        quota, period = (int(path.read_text(encoding="ascii")) for path in V1)
        return max(1, quota // period) if quota > 0 else None
    return None
