"""Commits' trees are made and removed, and their programs compute with their own modules."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from experiments.record.trees import (
    ROOT,
    Computed,
    Starter,
    Tree,
    TreeError,
    corpus_folder,
    is_running,
    make_cache,
    make_or_go_on,
    read_run,
    train,
    train_until_killed,
    tree_of,
)
from system.errors import UserError

HOLD_A_TREE = """
import sys, time
from pathlib import Path
from experiments.record.trees import tree_of
with tree_of("HEAD", Path(sys.argv[1]), Path(sys.argv[2])):
    print("there", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def starter(toy_libraries):
    with Starter() as found:
        yield found


def tree_at(root, tmp_path):
    return Tree(root, tmp_path / "cache")


def test_a_tree_is_the_commits_and_is_gone_afterwards(toy_repository, tmp_path):
    toy_repository.change("FACTOR = 1.0", "FACTOR = 2.0")
    with tree_of(toy_repository.commit[:8], tmp_path / "old", toy_repository.root) as root:
        assert "FACTOR = 1.0" in (root / "inner" / "loop.py").read_text()
        assert len(toy_repository.git("worktree", "list").splitlines()) == 2
    assert not (tmp_path / "old").exists()
    assert len(toy_repository.git("worktree", "list").splitlines()) == 1
    assert "FACTOR = 2.0" in (toy_repository.root / "inner" / "loop.py").read_text()


def test_a_tree_is_gone_after_an_error_too_though_files_were_written_there(toy_repository, tmp_path):
    with pytest.raises(KeyError), tree_of("HEAD", tmp_path / "old", toy_repository.root) as root:
        (root / "made.txt").write_text("something")
        raise KeyError
    assert not (tmp_path / "old").exists()
    assert len(toy_repository.git("worktree", "list").splitlines()) == 1


def holder_of_a_tree(repository, place):
    """A process that has made a tree there and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_A_TREE, str(place), str(repository)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline() == "there\n" and (place / "train.py").exists()
    return process


def test_a_tree_is_gone_after_sigterm_and_one_left_by_a_killed_process_when_the_next_is_made(toy_repository, tmp_path):
    ended, killed = (holder_of_a_tree(toy_repository.root, tmp_path / name) for name in ("ended", "killed"))
    ended.terminate()
    assert ended.wait(timeout=30) == 128 + signal.SIGTERM and not (tmp_path / "ended").exists()
    with tree_of("HEAD", tmp_path / "other", toy_repository.root):
        assert (tmp_path / "killed").exists()  # its process lives
    killed.kill()
    killed.wait()
    with tree_of("HEAD", tmp_path / "next", toy_repository.root):
        assert not (tmp_path / "killed").exists()
        assert len(toy_repository.git("worktree", "list").splitlines()) == 2


def test_an_unknown_commit_is_refused(toy_repository, tmp_path):
    with (
        pytest.raises(UserError, match="nowhere is no commit"),
        tree_of("nowhere", tmp_path / "old", toy_repository.root),
    ):
        pass


def test_each_tree_computes_with_its_own_modules_wherever_python_looks(starter, toy_repository, tmp_path, monkeypatch):
    with tree_of("HEAD", tmp_path / "old", toy_repository.root) as root:
        toy_repository.change("FACTOR = 1.0", "FACTOR = 2.0")
        monkeypatch.setenv("PYTHONPATH", str(toy_repository.root))
        old = train(starter, tree_at(root, tmp_path), [], tmp_path / "run")
        new = train(starter, tree_at(toy_repository.root, tmp_path), [], tmp_path / "other run")
    assert old.weights["b"].unique().tolist() == [1.0]
    assert new.weights["b"].unique().tolist() == [2.0]


def test_a_program_that_python_finds_elsewhere_is_refused(starter, toy_repository, tmp_path):
    with pytest.raises(TreeError, match="json.py of .*repository is needed, but Python finds .*json"):
        starter.run(tree_at(toy_repository.root, tmp_path), "json", [])


def test_the_loss_of_every_step_is_read_wherever_the_constant_lies(starter, toy_repository, tmp_path):
    computed = train(starter, tree_at(toy_repository.root, tmp_path), [], tmp_path / "run")
    assert computed.losses == {("training", step, "loss"): 1.0 / step for step in (1, 2, 3, 4)}


def test_a_tree_without_the_constant_is_refused(starter, toy_repository, tmp_path):
    toy_repository.change("METRICS_EVERY", "EVERY")
    with pytest.raises(TreeError, match="no module of .* has METRICS_EVERY"):
        train(starter, tree_at(toy_repository.root, tmp_path), [], tmp_path / "run")


def test_a_program_that_fails_says_why_and_the_next_one_runs(starter, toy_repository, tmp_path):
    tree = tree_at(toy_repository.root, tmp_path)
    with pytest.raises(TreeError, match="train.py of this tree ended with status 1: error: asked to fail"):
        train(starter, tree, ["--fail"], tmp_path / "run")
    assert train(starter, tree, [], tmp_path / "run").predictions


def test_a_cap_on_steps_does_not_reach_the_program(toy_repository, tmp_path, monkeypatch):
    monkeypatch.setenv("CI_STEPS", "3")
    with Starter() as starter:
        computed = train(starter, tree_at(toy_repository.root, tmp_path), [], tmp_path / "run")
    assert computed.predictions == {("dev", "1"): "cap None"}


def test_a_run_is_killed_at_its_checkpoint_and_can_go_on(starter, toy_repository, tmp_path):
    tree, run = tree_at(toy_repository.root, tmp_path), tmp_path / "run"
    train_until_killed(starter, tree, ["--checkpoint", "--slow"], run, 2)
    assert (run / "checkpoints" / "step-2").is_dir() and not (run / "model.safetensors").exists()
    gone_on = train(starter, tree, ["--resume"], run)
    whole = train(starter, tree, [], tmp_path / "whole")
    assert gone_on.losses == whole.losses and gone_on.weights_hash == whole.weights_hash


def test_a_run_that_was_stopped_goes_on_and_one_that_was_made_is_left(starter, toy_repository, tmp_path):
    tree, run = tree_at(toy_repository.root, tmp_path), tmp_path / "run"
    train_until_killed(starter, tree, ["--checkpoint", "--slow"], run, 2)
    make_or_go_on(starter, tree, ["--checkpoint", "--slow"], run)
    assert read_run(run).losses == train(starter, tree, [], tmp_path / "whole").losses
    make_or_go_on(starter, tree, ["--fail"], run)  # it would, if it ran


def test_a_program_does_not_outlive_the_starter_that_began_it(toy_repository, tmp_path):
    starter, run = Starter(), tmp_path / "run"
    asking = threading.Thread(target=lambda: run_and_forget(starter, tree_at(toy_repository.root, tmp_path), run))
    asking.start()
    while not (run / "checkpoints").exists():
        time.sleep(0.01)
    child = starter.child
    assert is_running(child)
    starter.close()
    asking.join(timeout=30)
    assert not is_running(child) and not (run / "model.safetensors").exists()


def run_and_forget(starter, tree, run):
    """Begin a run that waits at its second step; that it fails is expected."""
    with pytest.raises(TreeError, match="status -9"):
        train(starter, tree, ["--checkpoint", "--slow"], run)


def test_a_run_that_ends_before_its_checkpoint_was_not_killed(starter, toy_repository, tmp_path):
    with pytest.raises(TreeError, match="before step-2 was there"):
        train_until_killed(starter, tree_at(toy_repository.root, tmp_path), [], tmp_path / "run", 2)


def test_a_program_prints_and_has_a_cache_of_its_own(starter, toy_repository, tmp_path):
    said = starter.run(tree_at(toy_repository.root, tmp_path), "eval", ["--prompt", "two words"])
    assert said == f"--prompt two words in {tmp_path.resolve() / 'cache'}\n"


def test_a_cache_holds_nothing_but_the_corpora_that_are_there(tmp_path, monkeypatch):
    (tmp_path / "given" / "django").mkdir(parents=True)
    (tmp_path / "given" / "django" / "all.code").write_text("pass\n")
    monkeypatch.setenv("CODEGEN_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache of the user"))
    cache = make_cache(tmp_path / "cache", ["django", "nl2bash"])
    assert [path.name for path in (cache / "codegen").iterdir()] == ["django"]
    assert (cache / "codegen" / "django" / "all.code").read_text() == "pass\n"
    assert corpus_folder("nl2bash") is None


def test_a_corpus_is_found_in_the_users_cache_too(tmp_path, monkeypatch):
    (tmp_path / "codegen" / "nl2bash").mkdir(parents=True)
    monkeypatch.delenv("CODEGEN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert corpus_folder("nl2bash") == tmp_path / "codegen" / "nl2bash"


def test_a_tensors_hash_is_that_of_its_type_shape_and_bytes():
    weights = {"a": torch.tensor([[1.0, 2.0]]), "scale": torch.tensor(3.0)}
    bytes_of_a = weights["a"].numpy().tobytes()
    hashes = Computed({}, weights, {}).hashes
    assert hashes["a"] == hashlib.sha256(b"torch.float32 (1, 2) " + bytes_of_a).hexdigest()
    assert hashes["scale"] != Computed({}, {"scale": torch.tensor([3.0])}, {}).hashes["scale"]
    assert Computed({}, weights, {}).weights_hash != Computed({}, {"b": weights["a"]}, {}).weights_hash
