"""Files parsed by several small processes (python_functions.py), remembered under the hash of their contents."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from system.cache import cache_key, remembered, sources_hash
from system.job_processes import run_jobs

WORKER = Path(__file__).with_name("python_functions.py")


def parse_files(paths: list[Path], contents_hash: str, name: str, workers: int = 0) -> list[dict[str, Any]]:
    """The result of `python_functions.mine` for each file, in the order of `paths`, from the cache when it is there.

    `contents_hash` names the contents of all files; the parser and the version of Python become part of the key,
    since a syntax tree is that of one Python. `workers=0` takes one per core.
    """
    key = cache_key(contents_hash, sources_hash([WORKER]))
    return remembered(
        "mined", f"{name}-{key}", lambda: parse_in_parallel(paths, name, workers or os.cpu_count() or 1)
    )


def parse_in_parallel(paths: list[Path], name: str, workers: int) -> list[dict[str, Any]]:
    """Parse the files in so many processes (system/job_processes.py)."""
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(WORKER)]
    with tqdm(total=len(paths), desc=f"mining {name}", unit=" files", disable=None) as bar:
        answers = run_jobs(
            command, [str(path) for path in paths], workers,
            lambda path: f"{path}: the parser ended here; leave the package out of data.packages", bar.update,
        )
    return [json.loads(answer) for answer in answers]
