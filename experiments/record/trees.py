"""Two trees of the code, this one and another commit's: the same command in each, and what it computed.

    with tree_of("b6f7f77", folder / "old") as root:
        old = train(Tree(root, folder / "cache"), ["django", "--training.steps", "20"], folder / "run")

Every command is a process of its own on one thread of the CPU, in which Python finds its own tree's modules first. A
tree has a cache of its own too, else one tree would read what the other has mined, drawn or learned.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from data.cache import cache_folder
from data.example import DataError

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("in_tree.py")
ONE_THREAD = ("--device", "cpu", "--threads", "1")
LOSSES = ("loss", "held_out_loss")  # of a line of metrics.jsonl
KILLED = -9  # exit status of a process that SIGKILL ended


class TreeError(DataError):
    """A command of a tree failed, or left nothing that can be compared. Its text is one line."""


@dataclass(frozen=True)
class Tree:
    """A checkout of the code."""

    root: Path
    cache: Path  # what its commands keep, in the place of the user's cache


@dataclass(frozen=True)
class Computed:
    """What a run computed."""

    losses: dict[tuple[str, int, str], float]  # (phase, step over all phases, which loss) -> value
    weights: dict[str, Tensor]  # the final ones
    predictions: dict[tuple[str, str], str]  # (split, id of the example) -> code; none where nothing was scored

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each tensor: its type, its shape, its bytes."""
        return {name: tensor_hash(tensor) for name, tensor in sorted(self.weights.items())}

    @property
    def weights_hash(self) -> str:
        """One SHA-256 over names and tensors."""
        return hashlib.sha256(json.dumps(self.hashes).encode()).hexdigest()


def tensor_hash(tensor: Tensor) -> str:
    """SHA-256 of a tensor's type, shape and bytes."""
    about = f"{tensor.dtype} {tuple(tensor.shape)} ".encode()
    return hashlib.sha256(about + tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()


@contextmanager
def tree_of(commit: str, place: Path, repository: Path = ROOT) -> Iterator[Path]:
    """Inside the `with` the commit's files stand in the folder `place`; behind it they are gone. Raises DataError."""
    found = git(repository, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if found.returncode:
        raise DataError(f"{commit} is no commit of {repository}; `git log --oneline` lists them")
    made = git(repository, "worktree", "add", "--quiet", "--detach", str(place), found.stdout.strip())
    if made.returncode:
        raise DataError(f"git made no worktree of {commit}: {last_line(made.stderr)}")
    try:
        yield place
    finally:
        git(repository, "worktree", "remove", "--force", str(place))


def git(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A git command in the repository, ended. Raises DataError where there is no git."""
    try:
        return subprocess.run(["git", "-C", str(repository), *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise DataError("git is not installed, which has the other commit; install it") from None


def corpus_folder(name: str) -> Path | None:
    """Where a published corpus lies, in $CODEGEN_DATA or in the user's cache; None where it is in neither."""
    given = os.environ.get("CODEGEN_DATA")
    places = [*([Path(given).resolve() / name] if given else []), cache_folder(name)]
    return next((place for place in places if place.is_dir()), None)


def make_cache(cache: Path, corpora: Iterable[str]) -> Path:
    """A cache that is empty but for the published corpora that are there, which it links to."""
    for name in corpora:
        if (folder := corpus_folder(name)) is not None:
            (cache / "codegen").mkdir(parents=True, exist_ok=True)
            (cache / "codegen" / name).symlink_to(folder, target_is_directory=True)
    return cache


def train(tree: Tree, words: Sequence[str], run: Path) -> Computed:
    """Run the tree's train.py on one thread in the folder `run`, and read what it computed. Raises TreeError."""
    run_program(tree, "train", [*words, "--run", str(run), *ONE_THREAD])
    return read_run(run)


def train_until_killed(tree: Tree, words: Sequence[str], run: Path, step: int) -> None:
    """The same, killed as soon as the checkpoint of `step`, counted over all phases, is there. Raises TreeError."""
    checkpoint = run / "checkpoints" / f"step-{step}"
    run_program(tree, "train", [*words, "--run", str(run), *ONE_THREAD], checkpoint)


def run_program(tree: Tree, program: str, words: Sequence[str], killed_at: Path | None = None) -> str:
    """What the tree's `program`, train or eval, prints with these words. Raises TreeError where it fails.

    killed_at: a file or folder; as soon as it is there the process is killed, and one that ends before has failed.
    """
    command = [sys.executable, "-c", DRIVER.read_text(encoding="utf-8"), program, *words]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, cwd=tree.root, env=environment(tree), stdout=out, stderr=errors)
        try:
            while killed_at is not None and child.poll() is None:
                if killed_at.exists():
                    child.kill()
                time.sleep(0.005)
            status = child.wait()
        finally:
            child.kill()  # nothing, where it has ended
        out.seek(0), errors.seek(0)
        if killed_at is not None and status != KILLED:
            raise TreeError(f"{program}.py ended with status {status} before {killed_at.name} was there")
        if killed_at is None and status:
            raise TreeError(f"{program}.py ended with status {status}: {last_line(errors.read())}")
        return out.read()


def environment(tree: Tree) -> dict[str, str]:
    """The variables of a child: its own tree before all else that Python finds, its own cache, one thread, no cap."""
    own = {"PYTHONPATH": str(tree.root), "XDG_CACHE_HOME": str(tree.cache.resolve()), "OMP_NUM_THREADS": "1"}
    return {name: value for name, value in os.environ.items() if name != "CI_STEPS"} | own


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it says nothing")


def read_run(run: Path) -> Computed:
    """What the finished run in a folder computed. Raises TreeError where a file is missing or damaged."""
    try:
        metrics = json_lines(run / "metrics.jsonl")
        weights = load_file(run / "model.safetensors")
        predictions = json_lines(run / "predictions.jsonl") if (run / "predictions.jsonl").exists() else []
    except (OSError, ValueError, SafetensorError) as error:
        raise TreeError(f"what the run left cannot be read: {error}") from error
    losses = {
        (line["phase"], line["step"], name): line[name] for line in metrics for name in LOSSES if name in line
    }  # fmt: skip
    return Computed(losses, weights, {(line["split"], line["id"]): line["prediction"] for line in predictions})


def json_lines(path: Path) -> list[dict]:
    """The records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
