"""--overwrite deletes nothing that the run is to be made of, under whatever name that is given."""

import json
import os
from pathlib import Path

import pytest

import train
from system.errors import UserError
from training.command_line import read_training_command
from training.run.overwriting import check_overwriting, lies_in


@pytest.fixture
def run(tmp_path):
    """A folder with a run's files in it, and another name of it."""
    folder = tmp_path / "runs" / "base"
    (folder / "checkpoints" / "step-1").mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("{}\n")
    (tmp_path / "other_name").symlink_to(folder)
    return folder


def named(tmp_path, run):
    """Ways to name something that lies in the run folder."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").symlink_to(run / "predictions.jsonl")
    (tmp_path / "one.jsonl").symlink_to(data / "train.jsonl")
    (tmp_path / "side.code").symlink_to(run / "predictions.jsonl")
    return [
        run, tmp_path / "other_name", run / "checkpoints" / "step-1", tmp_path / "other_name" / "predictions.jsonl",
        run / ".." / "base", run / "not_there" / "yet", data, tmp_path / "one.jsonl", tmp_path / "side",
        tmp_path / "side.nl", Path(os.path.relpath(run)),
    ]  # fmt: skip


def test_what_lies_in_the_run_is_refused_under_every_name(tmp_path, run):
    for path in named(tmp_path, run):
        for folder in (run, tmp_path / "other_name"):
            with pytest.raises(UserError, match="data.path=.* lies; nothing was deleted") as error:
                check_overwriting(folder, {"init.from": "", "data.path": str(path)})
            assert "\n" not in str(error.value)


def test_what_lies_elsewhere_is_no_reason(tmp_path, run):
    beside = tmp_path / "runs" / "base2"
    beside.mkdir()
    above = [tmp_path.parent, tmp_path / "runs", beside, tmp_path / "nowhere", "", "runs"]
    check_overwriting(run, {f"data.path{number}": str(path) for number, path in enumerate(above)})
    check_overwriting(tmp_path / "new", {"data.path": str(tmp_path / "new")})  # nothing there that could be deleted
    assert not lies_in(tmp_path / "runs", run) and lies_in(run, tmp_path / "runs")


@pytest.mark.parametrize("place", ["the current folder", "this project", "your home"])
def test_the_folder_that_one_works_in_is_refused(tmp_path, monkeypatch, place):
    inner = tmp_path / "inner"
    inner.mkdir()
    if place == "the current folder":
        monkeypatch.chdir(inner)
    elif place == "this project":
        monkeypatch.setattr("training.run.overwriting.PROJECT", inner)
    else:
        monkeypatch.setenv("HOME", str(inner))
    for folder in (tmp_path, inner):
        with pytest.raises(UserError, match=f"holds {place}"):
            check_overwriting(folder, {})


@pytest.mark.parametrize("option", ["init.from", "strategies.teacher.run", "data.path", "data.shards"])
def test_every_option_that_names_a_place_is_looked_at(tmp_path, run, option, monkeypatch):
    (run / "config.json").write_text(json.dumps({"version": 2, "special_ids": {}}))
    monkeypatch.setattr("training.command_line.fine_tuning", lambda start, checkpoint: start)
    before = sorted(run.rglob("*"))
    with pytest.raises(UserError, match=f"where {option}="):
        read_training_command(train.Settings, ["--run", str(run), f"--{option}", str(run), "--overwrite"], "")
    assert sorted(run.rglob("*")) == before
