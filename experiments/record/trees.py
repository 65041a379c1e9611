"""Two trees of the code, this one and another commit's: the same command in each, and what it computed.

    with tree_of("b6f7f77", folder / "old") as root, Starter() as starter:
        old = Tree(root, make_cache(folder / "cache", ["django"]), "b6f7f77")
        computed = train(starter, old, ["django", "--training.steps", "20"], folder / "run")

Every command is a process of its own on one thread of the CPU, in which Python finds its own tree's modules first. A
tree has a cache of its own too, else one tree would read what the other has mined, drawn or learned.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from system import platform
from system.cache import cache_folder
from system.errors import UserError
from training.run.folder import is_run

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("in_tree.py")
LIBRARIES = (  # of the programs, those that take long to load
    "torch", "torch._dynamo", "sentencepiece", "safetensors.torch", "tyro", "dacite", "scipy.stats", "nltk",
    "rouge_score.rouge_scorer", "sacrebleu", "matplotlib.figure", "matplotlib.backends.backend_agg",
)  # fmt: skip
ONE_THREAD = ("--device", "cpu", "--threads", "1")
LOSSES = ("loss", "held_out_loss")  # of a line of metrics.jsonl
OWNER = "for process"  # what the reason of a worktree's lock begins with
KILLED = -9  # exit status of a process that SIGKILL ended


class TreeError(UserError):
    """A command of a tree failed, or left nothing that can be compared. Its text is one line."""


@dataclass(frozen=True)
class Tree:
    """A checkout of the code."""

    root: Path
    cache: Path  # what its commands keep, in the place of the user's cache
    name: str = "this tree"  # in messages

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which its programs find its modules and its cache."""
        return {"PYTHONPATH": str(self.root), "XDG_CACHE_HOME": str(self.cache.resolve())}


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
    """Inside the `with` the commit's files stand in the folder `place`; behind it they are gone, after SIGTERM too.

    Trees of processes that were killed outright are removed first: the lock on each names its process. Raises
    UserError.
    """
    found = git(repository, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if found.returncode:
        raise UserError(f"{commit} is no commit of {repository}; `git log --oneline` lists them")
    remove_abandoned_trees(repository)
    made = git(repository, "worktree", "add", "--quiet", "--detach", str(place), found.stdout.strip())
    if made.returncode:
        raise UserError(f"git made no worktree of {commit}: {last_line(made.stderr)}")
    try:
        with sigterm_as_exit():
            owner = f"{OWNER} {os.getpid()} on {socket.gethostname()}"
            git(repository, "worktree", "lock", "--reason", owner, str(place))
            yield place
    finally:
        remove_tree(repository, place)


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Inside the `with` SIGTERM ends the process by SystemExit, so that every `with` and `finally` is gone through.

    Another thread than the first one cannot ask for that; there nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def remove_abandoned_trees(repository: Path) -> None:
    """Remove the worktrees whose lock names a process of this machine that is no longer there."""
    for block in git(repository, "worktree", "list", "--porcelain").stdout.split("\n\n"):
        place = re.search(r"^worktree (.+)$", block, re.MULTILINE)
        owner = re.search(rf"^locked {OWNER} (\d+) on (.+)$", block, re.MULTILINE)
        if place and owner and owner[2] == socket.gethostname() and not is_running(int(owner[1])):
            remove_tree(repository, Path(place[1]))


def remove_tree(repository: Path, place: Path) -> None:
    """Remove a worktree, its lock, whatever was written there, and what git remembers of it."""
    git(repository, "worktree", "unlock", str(place))
    git(repository, "worktree", "remove", "--force", str(place))
    shutil.rmtree(place, ignore_errors=True)
    git(repository, "worktree", "prune")


def git(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A git command in the repository, ended. Raises UserError where there is no git."""
    try:
        return subprocess.run(["git", "-C", str(repository), *words], capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        raise UserError("git is not installed, which has the other commit; install it") from None


def corpus_folder(name: str) -> Path | None:
    """Where a published corpus lies, in $CODEGEN_DATA or in the user's cache; None where it is in neither."""
    given = os.environ.get("CODEGEN_DATA")
    places = [*([Path(given).resolve() / name] if given else []), cache_folder(name)]
    return next((place for place in places if place.is_dir()), None)


def make_cache(cache: Path, corpora: Iterable[str]) -> Path:
    """A cache with links to the published corpora that are there; a new one has nothing else."""
    for name in corpora:
        link = cache / "codegen" / name
        if (folder := corpus_folder(name)) is not None and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder, target_is_directory=True)
    return cache


class Starter:
    """A process that begins programs of trees, one at a time (in_tree.py). To be closed, or used in a `with`."""

    def __init__(self) -> None:
        platform.require_fork()
        self.folder = tempfile.TemporaryDirectory()
        self.child = 0  # the number of the program that runs
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER.read_text(encoding="utf-8"), platform.__file__, *LIBRARIES],
            cwd=self.folder.name, encoding="utf-8", env=environment({"OMP_NUM_THREADS": "1"}), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and the program that it runs if it does."""
        if self.child:
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()

    def run(
        self, tree: Tree, program: str, words: Sequence[str], killed_at: Path | None = None, given: Path | None = None
    ) -> str:
        """What the tree's `program`, train or eval, prints with these words. Raises TreeError where it fails.

        killed_at: a file or folder; as soon as it is there the program is killed, and if it ends before it has failed.
        given: a JSON file, split -> texts, that eval.py scores in the place of what the network would write.
        """
        out, errors = (Path(self.folder.name, name) for name in ("out", "errors"))
        for file in (out, errors):
            file.write_text("", encoding="utf-8", newline="\n")
        asked = {"root": str(tree.root), "program": program, "words": list(words), "variables": tree.variables,
                 "files": [str(out), str(errors)], "given": str(given or "")}  # fmt: skip
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        status = self.ended(killed_at)
        if killed_at is not None and status != KILLED:
            raise TreeError(f"{program}.py of {tree.name} ended with status {status} before {killed_at.name} was there")
        if killed_at is None and status:
            said = last_line(errors.read_text(encoding="utf-8", errors="replace"))
            raise TreeError(f"{program}.py of {tree.name} ended with status {status}: {said}")
        return out.read_text(encoding="utf-8")

    def ended(self, killed_at: Path | None) -> int:
        """The exit status of the program that was begun last, which is killed when a file is there."""
        self.child = int(self.process.stdout.readline())
        while killed_at is not None and is_running(self.child):
            if killed_at.exists():
                os.kill(self.child, signal.SIGKILL)
                break
            time.sleep(0.005)
        status = int(self.process.stdout.readline())
        self.child = 0
        return status


def is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def environment(more: dict[str, str]) -> dict[str, str]:
    """The variables of this process and more, without a cap on steps and without its paths."""
    return {name: value for name, value in os.environ.items() if name not in ("CI_STEPS", "PYTHONPATH")} | more


def train(starter: Starter, tree: Tree, words: Sequence[str], run: Path) -> Computed:
    """Run the tree's train.py on one thread in the folder `run`, and read what it computed. Raises TreeError."""
    starter.run(tree, "train", [*words, "--run", str(run), *ONE_THREAD])
    return read_run(run)


def make_or_go_on(starter: Starter, tree: Tree, words: Sequence[str], run: Path) -> None:
    """Run the tree's train.py likewise; a run that was begun goes on, one that was made is left. Raises TreeError.

    A file beside the folder says that the run was made: which of a run's files is the last one differs over trees.
    """
    made = run.with_name(f"{run.name}.made")
    if not made.exists():
        starter.run(tree, "train", [*(["--resume"] if is_run(run) else words), "--run", str(run), *ONE_THREAD])
        made.touch()


def train_until_killed(starter: Starter, tree: Tree, words: Sequence[str], run: Path, step: int) -> None:
    """The same, killed as soon as the checkpoint of `step`, counted over all phases, is there. Raises TreeError."""
    checkpoint = run / "checkpoints" / f"step-{step}"
    starter.run(tree, "train", [*words, "--run", str(run), *ONE_THREAD], checkpoint)


def ask(tree: Tree, script: str, *words: str, **variables: str) -> Any:
    """What a script, run among the tree's modules with these words, prints last, as JSON. Raises TreeError."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=tree.root, env=environment(tree.variables | variables),
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    if done.returncode:
        raise TreeError(f"{' '.join(words)} at {tree.name}: {last_line(done.stderr)}")
    return json.loads(done.stdout.splitlines()[-1])


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
