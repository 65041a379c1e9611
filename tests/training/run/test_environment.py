import json
import platform
import subprocess
from importlib import metadata

import torch

import training.run.environment as environment

CPU = torch.device("cpu")


def test_the_environment_names_versions_machine_threads_and_seed():
    found = environment.describe_environment(7, CPU, data_hash="abc", mined={"python": {"files": 3}})
    assert found["seed"] == 7 and found["threads"] == torch.get_num_threads()
    assert found["python"] == platform.python_version()
    assert found["libraries"]["torch"] == metadata.version("torch")
    assert found["data_hash"] == "abc" and found["mined"] == {"python": {"files": 3}}
    assert found["cores"] >= 1 and found["memory_gib"] > 0 and found["processor"]
    assert json.loads(json.dumps(found)) == found


def git(folder, *arguments):
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", "-C", str(folder), *author, *arguments], capture_output=True, text=True, check=True)


def test_the_commit_is_marked_when_files_differ_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "training" / "environment.py"))
    (tmp_path / "training").mkdir()
    file = tmp_path / "training" / "file.py"
    file.write_text("x = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "training/file.py")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD").stdout.strip()
    assert environment.current_commit() == commit
    file.write_text("x = 2\n")
    assert environment.current_commit().startswith(commit) and environment.current_commit() != commit


def test_without_git_or_a_checkout_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    assert environment.current_commit() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.current_commit() is None
    assert environment.describe_environment(1, CPU)["commit"] is None


def test_a_library_that_is_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(environment, "RECORDED_LIBRARIES", ("torch", "no-such-library-x"))
    assert list(environment.describe_environment(1, CPU)["libraries"]) == ["torch"]
