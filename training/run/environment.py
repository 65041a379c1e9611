"""The environment that a run's numbers depend on besides its settings: environment.json."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

RECORDED_LIBRARIES = ("torch", "numpy", "sentencepiece", "tokenizers", "safetensors", "sacrebleu", "rouge-score")


def describe_environment(seed: int, device: torch.device, **more: Any) -> dict[str, Any]:
    """Describe versions, commit, machine, threads and seed; `more` adds hashes of data, mined packages and the like."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "commit": current_commit(),
        "python": platform.python_version(),
        "libraries": {name: version for name in RECORDED_LIBRARIES if (version := version_of(name))},
        "system": platform.platform(),
        "processor": processor_name(device),
        "cores": os.cpu_count(),
        "memory_gib": memory_gib(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "seed": seed,
        **more,
    }


def version_of(library: str) -> str | None:
    """Installed version of a library, or None."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def current_commit() -> str | None:
    """The commit of this code, with "+changes" where files differ from it; None outside a git checkout."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, encoding="utf-8", check=True, timeout=10
        )
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, encoding="utf-8",
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("+changes" if changes.stdout.strip() else "")


def memory_gib() -> float | None:
    """The machine's memory in GiB, or None where the system does not tell it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def processor_name(device: torch.device) -> str:
    """The name of the processor: the GPU's, or the CPU's model, where it is known, with its vector instructions."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    # Many clouds hide the model: what the matrix products can use tells two processors of one name apart.
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"
