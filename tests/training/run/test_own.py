"""A run is one's own where it was begun, and nowhere else; a stranger's is read without what it names and links to."""

import json
import os
import shutil
from dataclasses import dataclass

import pytest

from evaluation.config import EvaluationConfig
from system.errors import UserError
from system.state import state_folder
from training.run.folder import open_run, ran_untrusted, read_config, read_config_values, write_config
from training.run.own import adopt, check_consent, check_places, is_own, refuse_links_of_strangers


@dataclass(frozen=True)
class Settings:
    seed: int = 0


SETTINGS, SPECIAL_IDS = Settings(4), {"pad_id": 0}


@pytest.fixture
def run(tmp_path):
    """A run that was begun here."""
    folder = tmp_path / "run"
    open_run(folder)
    write_config(folder, SETTINGS, SPECIAL_IDS)
    return folder


def test_a_run_is_ones_own_where_it_was_begun_under_every_name_of_that_place(run, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(run)
    monkeypatch.chdir(run)
    assert is_own(run) and is_own(tmp_path / "link") and is_own(run / ".")
    copy = shutil.copytree(run, tmp_path / "copy")
    assert not is_own(copy) and read_config(copy, Settings)[0] == SETTINGS
    shutil.rmtree(run)
    shutil.copytree(copy, run)
    assert is_own(run)  # brought back to its place


def test_another_id_or_none_is_another_run(run):
    path = run / "config.json"
    values = json.loads(path.read_text())
    for other in ({"id": "0" * 32}, {"id": "../" * 5}, {"id": 3}, {"id": ["x"]}):
        path.write_text(json.dumps(values | other))
        assert not is_own(run)
    del values["id"]
    path.write_text(json.dumps(values))
    assert not is_own(run)
    for content in (b"", b"[]", b"\xff", b"[" * 100_000):
        path.write_bytes(content)
        assert not is_own(run)


def test_a_copy_an_older_run_and_a_moved_one_become_ones_own_by_one_word(run, tmp_path):
    old = shutil.copytree(run, tmp_path / "old")
    values = json.loads((old / "config.json").read_text())
    del values["id"]
    (old / "config.json").write_text(json.dumps(values))
    moved = shutil.copytree(run, tmp_path / "moved")
    for folder in (old, moved):
        assert not is_own(folder)
        adopt(folder)
        adopt(folder)
        assert is_own(folder)
    assert is_own(run)
    assert not is_own(shutil.copytree(old, tmp_path / "again"))
    with pytest.raises(UserError, match="holds no run"):
        adopt(tmp_path)


def test_a_state_that_cannot_be_written_is_said_and_the_run_begins(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    open_run(tmp_path / "run")
    write_config(tmp_path / "run", SETTINGS, SPECIAL_IDS)
    said = capsys.readouterr().err
    assert "not remembered as your own" in said and said.count("\n") == 1
    assert not is_own(tmp_path / "run") and read_config(tmp_path / "run", Settings)[0] == SETTINGS


def test_the_state_lies_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder("runs", "x") == tmp_path / "codegen" / "runs" / "x"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder().is_absolute()


def test_what_a_stranger_names_is_not_read_unasked(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    places = {"data.path": "/home/me/.ssh", "data.shards": ""}
    check_places(run, places, "give --data_path FOLDER")
    check_places(copy, {"data.path": ""}, "give --data_path FOLDER")
    with pytest.raises(UserError) as error:
        check_places(copy, places, "give --data_path FOLDER")
    said = str(error.value)
    assert "data.path=/home/me/.ssh" in said and "--data_path FOLDER" in said and "--trust" in said
    assert "\n" not in said and "shards" not in said


LINKED = ["model.safetensors", "predictions.jsonl.partial", "metrics.jsonl", "checkpoints", "tokenizer", "notes",
          "config.json", "tokenizer/merges.txt", "checkpoints/step-1", "checkpoints/step-2/state.json"]  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
@pytest.mark.parametrize("target", ["file", "folder", "nowhere"])
def test_links_in_a_strangers_run_are_refused_and_in_ones_own_they_may_stand(run, tmp_path, name, target):
    (tmp_path / "file").write_text((run / "config.json").read_text())
    (tmp_path / "folder").mkdir()
    copy = shutil.copytree(run, tmp_path / "copy")
    link = copy / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / target)
    with pytest.raises(UserError) as error:
        refuse_links_of_strangers(copy)
    assert f"{link} is a link" in str(error.value) and "--trust" in str(error.value)
    if name == "config.json":
        return
    with pytest.raises(UserError, match="is a link"):
        read_config_values(copy)
    adopt(copy)
    assert read_config(copy, Settings)[0] == SETTINGS


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_in_a_strangers_run_is_refused_and_not_waited_for(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    os.mkfifo(copy / "model.safetensors")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        read_config_values(copy)


def test_consent_is_in_no_file(run):
    values = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(values | {"evaluation": {"run_untrusted": True, "limit": 3}}))

    @dataclass(frozen=True)
    class WithScoring:
        seed: int = 0
        evaluation: EvaluationConfig = EvaluationConfig()

    assert read_config(run, WithScoring)[0].evaluation == EvaluationConfig(limit=3)
    assert ran_untrusted(run)
    for given in (["--run_untrusted"], ["--no_run_untrusted"], ["--run-untrusted"], ["--no-run-untrusted"]):
        check_consent(run, given, "run_untrusted", True)
    check_consent(run, ["--evaluation.no_run_untrusted"], "evaluation.run_untrusted", True)
    check_consent(run, [], "run_untrusted", False)
    for argv in ([], ["--prompt", "run_untrusted"], ["run_untrusted"], ["--limit", "3"]):
        with pytest.raises(UserError, match="add --run_untrusted .* or --no_run_untrusted"):
            check_consent(run, argv, "run_untrusted", True)


def test_a_folder_of_blobs_that_is_a_link_leads_to_no_file_of_the_users(tmp_path):
    mine, snapshot = tmp_path / "mine", tmp_path / "hub" / "snapshots" / "x"
    mine.mkdir()
    snapshot.mkdir(parents=True)
    (mine / "secret").write_text("swordfish")
    (tmp_path / "hub" / "blobs").symlink_to(mine)
    (snapshot / "merges.txt").symlink_to("../../blobs/secret")
    with pytest.raises(UserError, match="merges.txt is a link to"):
        refuse_links_of_strangers(snapshot)
