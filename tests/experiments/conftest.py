"""What tests share: a result line, and a toy repository whose train.py and eval.py look like ours from outside."""

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.record import trees

LOOP = "METRICS_EVERY = 20\nFACTOR = 1.0\n"
TRAIN = """
import json, os, sys, time
from pathlib import Path
import numpy
from safetensors.numpy import save_file
from inner import loop

def main(words):
    if "--fail" in words:
        sys.exit("error: asked to fail")
    run = Path(words[words.index("--run") + 1])
    begun, run_steps = run.exists(), 4
    run.mkdir(exist_ok=True)
    (run / "config.json").write_text("{}")
    if "--untrained" in words:
        return
    with open(run / "metrics.jsonl", "a") as metrics:
        for step in range(1, run_steps + 1):
            if step % loop.METRICS_EVERY == 0 and (not begun or step > 2):
                print(json.dumps({"phase": "training", "step": step, "loss": loop.FACTOR / step}), file=metrics)
                metrics.flush()
            if step == 2 and "--checkpoint" in words:
                (run / "checkpoints" / "step-2").mkdir(parents=True)
                time.sleep(30 if "--slow" in words and not begun and run.name != "old" else 0)
    weights = {"a": numpy.ones(2, "float32"), "b": numpy.full((2, 2), loop.FACTOR, "float32")}
    save_file(weights, run / "model.safetensors")
    line = {"split": "dev", "id": "1", "prediction": f"cap {os.environ.get('CI_STEPS')}"}
    (run / "predictions.jsonl").write_text(json.dumps(line) + "\\n")
    print("made by", Path(loop.__file__).parents[1].name)

if __name__ == "__main__":
    main(sys.argv[1:])
"""
EVAL = """
import os, sys
if __name__ == "__main__":
    print(" ".join(sys.argv[1:]), "in", os.environ["XDG_CACHE_HOME"])
"""


@pytest.fixture(scope="session")
def toy_libraries():
    """A toy needs no more than these: its processes begin at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "LIBRARIES", ("safetensors.numpy",))
        yield


@pytest.fixture
def toy_repository(tmp_path, toy_libraries):
    """Its folder, its first commit, and `change(old, new)`, which changes the loop's file in the working tree."""
    root = tmp_path / "repository"
    (root / "inner").mkdir(parents=True)
    for name, text in {"train.py": TRAIN, "eval.py": EVAL, "inner/loop.py": LOOP}.items():
        (root / name).write_text(text)

    def git(*words):
        author = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *author, *words], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def change(old, new):
        path = root / "inner" / "loop.py"
        path.write_text(path.read_text().replace(old, new))

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return SimpleNamespace(root=root, commit=git("rev-parse", "HEAD"), git=git, change=change)


@pytest.fixture
def run_line_fields() -> dict[str, Any]:
    """Every field that a run's line must have; a test puts its own on top."""
    return {
        "suite": "toy", "row": "base", "command": "x", "seed": 1, "threads": 1, "machine": "2 cores", "versions": {},
        "config": {}, "config_hash": "c", "code_hash": "c", "data_hash": "d", "budget": {}, "scores": {},
    }  # fmt: skip
