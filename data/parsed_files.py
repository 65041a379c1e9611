"""Files parsed by several small processes, remembered in the user's cache under the hash of their contents.

The workers are programs of their own (data/python_functions.py), not forks and not `multiprocessing`, which would
import train.py, and PyTorch with it, once more in each of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.cache import cache_key, remembered, sources_hash
from data.example import DataError

WORKER = Path(__file__).with_name("python_functions.py")


def parse_files(paths: list[Path], contents_hash: str, name: str, workers: int = 0) -> list[dict[str, Any]]:
    """What data.python_functions.mine finds in each file, in the order of `paths`, from the cache when it is there.

    `contents_hash` names the contents of all files; the parser and the version of Python become part of the key,
    since a syntax tree is that of one Python. `workers=0` takes one per core.
    """
    key = cache_key(contents_hash, sources_hash([WORKER]))
    return remembered(
        "mined", f"{name}-{key}", lambda: parse_in_parallel(paths, name, workers or os.cpu_count() or 1)
    )


def parse_in_parallel(paths: list[Path], name: str, workers: int) -> list[dict[str, Any]]:
    """Parse the files in so many processes, each of which takes the next file when it is done with one."""
    found: list[dict[str, Any]] = [{} for _ in paths]
    remaining = iter(enumerate(paths))
    lock = threading.Lock()

    def work() -> None:
        command = [sys.executable, "-I", "-S", "-X", "utf8", str(WORKER)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
            while True:
                with lock:
                    number, path = next(remaining, (None, None))
                if number is None:
                    break
                found[number] = ask(process, path)
                with lock:
                    bar.update()

    n_processes = min(workers, len(paths))
    with tqdm(total=len(paths), desc=f"mining {name}", unit=" files", disable=None) as bar:
        with ThreadPoolExecutor(n_processes) as pool:
            for job in [pool.submit(work) for _ in range(n_processes)]:
                job.result()
    return found


def ask(process: subprocess.Popen, path: Path) -> dict[str, Any]:
    """One worker's answer for one file. Raises DataError when the worker is gone."""
    process.stdin.write(f"{path}\n")
    with contextlib.suppress(BrokenPipeError):
        process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        raise DataError(f"{path}: the parser ended here; leave the package out of data.packages")
    return json.loads(answer)
