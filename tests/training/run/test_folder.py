"""A run folder is never written over by accident, and a folder of another version is refused."""

import errno
import json
import os
from dataclasses import dataclass

import pytest

from model.config import ModelConfig
from system.errors import UserError
from training.config import LoopConfig
from training.run import folder as run_folder
from training.run.folder import append_metrics, open_run, opened, read_config, write_config


@dataclass(frozen=True)
class Settings:
    training: LoopConfig = LoopConfig()
    seed: int = 0


SETTINGS = Settings(LoopConfig(steps=3), seed=4)
SPECIAL_IDS = {"pad_id": 0, "sentinel_ids": [5, 6]}


def start_run(run):
    open_run(run)
    write_config(run, SETTINGS, SPECIAL_IDS)


def finish_run(run):
    start_run(run)
    (run / "model.safetensors").write_bytes(b"weights")
    (run / "scores.json").write_text("{}")
    (run / "my_notes.txt").write_text("mine")


def refused(run, **choices):
    with pytest.raises(UserError) as error:
        open_run(run, **choices)
    assert "\n" not in str(error.value) and str(run) in str(error.value)
    return str(error.value)


def test_a_new_run_gets_a_folder_and_keeps_its_settings(tmp_path):
    run = tmp_path / "runs" / "quickstart"
    open_run(run)
    write_config(run, SETTINGS, SPECIAL_IDS)
    assert read_config(run, Settings) == (SETTINGS, SPECIAL_IDS)


@pytest.mark.parametrize(("form", "speed"), [("written_out", "readable"), ("fused", "fast")])
def test_a_run_from_before_the_setting_speed_can_still_be_read(tmp_path, form, speed):
    @dataclass(frozen=True)
    class WithModel:
        model: ModelConfig = ModelConfig()

    open_run(tmp_path / "run")
    write_config(tmp_path / "run", WithModel(), SPECIAL_IDS)
    path = tmp_path / "run" / "config.json"
    values = json.loads(path.read_text())
    del values["model"]["speed"], values["schema"]
    path.write_text(json.dumps(values | {"model": values["model"] | {"attention": form}}))
    assert read_config(tmp_path / "run", WithModel)[0] == WithModel(ModelConfig(speed=speed))


def test_an_unfinished_run_is_gone_on_with_only_when_asked(tmp_path):
    start_run(tmp_path)
    assert "--resume" in refused(tmp_path)
    open_run(tmp_path, resume=True)
    assert read_config(tmp_path, Settings) == (SETTINGS, SPECIAL_IDS)


def test_a_finished_run_is_overwritten_only_when_asked(tmp_path):
    finish_run(tmp_path)
    assert "--overwrite" in refused(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"weights"
    open_run(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["my_notes.txt"]


@pytest.mark.parametrize(("choices", "more"), [
    ({}, {}), ({"resume": True}, {}), ({"overwrite": True}, {}), ({"overwrite": True}, {"version": 2}),
])  # fmt: skip
def test_somebody_elses_model_is_left_alone(tmp_path, choices, more):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5", **more}))
    (tmp_path / "model.safetensors").write_bytes(b"theirs")
    refused(tmp_path, **choices)
    assert (tmp_path / "model.safetensors").read_bytes() == b"theirs"


@pytest.mark.parametrize("choices", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_that_holds_other_things_is_left_alone(tmp_path, choices):
    (tmp_path / "thesis.tex").write_text("mine")
    refused(tmp_path, **choices)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_that_was_killed_before_it_began_is_started_anew(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"pieces")
    (tmp_path / "config.json.partial").write_text('{"vers')
    assert "--resume" in refused(tmp_path, resume=True)
    open_run(tmp_path)
    assert list(tmp_path.iterdir()) == []  # the next run may learn another tokenizer


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "x").write_text("")
    refused(tmp_path / "x")
    refused(tmp_path / "x" / "y")


def test_a_run_that_is_not_there_cannot_be_resumed(tmp_path):
    assert "--resume" in refused(tmp_path / "typo", resume=True)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("version", [0, 3, None, "1"])
def test_a_folder_of_another_version_is_refused(tmp_path, version):
    start_run(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"version": version}))
    assert f"version {version}" in refused(tmp_path, resume=True)
    with pytest.raises(UserError, match="version"):
        read_config(tmp_path, Settings)


ODD = {
    "a name in a value": '"seed.x": 2', "a list for a word": '"model": {"attention": []}',
    "a number for a list": '"training": {"objectives": {"denoise_epochs": 1, "schedule": 3}}',
    "deep": '"a": ' + 980 * '{"a":' + "1" + 980 * "}",
}  # fmt: skip


@pytest.mark.parametrize("values", ODD.values(), ids=ODD)
def test_settings_that_no_code_wrote_are_refused_in_one_line(tmp_path, values):
    start_run(tmp_path)
    (tmp_path / "config.json").write_text('{"version": 1, "special_ids": {}, "seed": 4, ' + values + "}")
    with pytest.raises(UserError, match="config.json") as error:
        read_config(tmp_path, Settings)
    assert "\n" not in str(error.value)


def test_what_a_kill_left_half_written_is_gone_when_the_folder_is_opened(tmp_path):
    start_run(tmp_path)
    left = ["config.json.partial", "config.json.0123abcd.partial", "scores.json.ffffffff.partial"]
    for name in [*left, "mine.partial", "mine.json.0123abcd.partial"]:
        (tmp_path / name).write_text("half")
    (tmp_path / "tokenizer.0123abcd.partial").mkdir()
    open_run(tmp_path, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json", "mine.json.0123abcd.partial", "mine.partial"
    ]  # fmt: skip


def test_a_folder_that_a_kill_left_with_nothing_but_asides_is_begun_anew(tmp_path):
    for name in (".lock", "tokenizer.model.0123abcd.partial", "config.json.89abcdef.partial"):
        (tmp_path / name).write_text("half")
    open_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_at_once_do_not_open_one_folder(tmp_path):
    run = tmp_path / "run"
    with opened(run):
        write_config(run, SETTINGS, SPECIAL_IDS)
        for choices in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(UserError, match="another process writes in"), opened(run, **choices):
                pass
        assert read_config(run, Settings) == (SETTINGS, SPECIAL_IDS)
    for choices in ({"resume": True}, {"overwrite": True}):
        with opened(run, **choices):
            assert (run / ".lock").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    start_run(tmp_path)

    def read_only(path, content):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(run_folder, "write_synced", read_only)
    with pytest.raises(UserError, match="cannot be written .Read-only file system") as error:
        with opened(tmp_path, resume=True):
            pass
    assert "\n" not in str(error.value)


def test_overwriting_takes_links_away_and_nothing_that_they_lead_to(tmp_path):
    run, mine = tmp_path / "run", tmp_path / "mine"
    mine.mkdir()
    (mine / "step-1").mkdir()
    (mine / "file").write_text("mine")
    run.mkdir()
    (run / "config.json").write_text('{"version": 2, "special_ids": {}}')  # a stranger's
    for name, target in (("checkpoints", mine), ("scores.json", mine / "file"), ("checkpoints.deleted", mine)):
        (run / name).symlink_to(target)
    open_run(run, overwrite=True)
    assert sorted(path.name for path in mine.iterdir()) == ["file", "step-1"]
    assert not os.path.lexists(run / "checkpoints") and not os.path.lexists(run / "scores.json")


def test_ones_own_checkpoints_on_another_disk_stay_there_and_are_emptied(tmp_path):
    run, scratch = tmp_path / "run", tmp_path / "scratch"
    start_run(run)
    (scratch / "step-1").mkdir(parents=True)
    (scratch / "notes").write_text("mine")
    (run / "checkpoints").symlink_to(scratch)
    open_run(run, overwrite=True)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["notes"]


@pytest.mark.parametrize("target", ["file", "nowhere"])
def test_metrics_are_not_appended_through_a_link(tmp_path, target):
    (tmp_path / "file").write_text("mine, and longer than nothing\n")
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match="metrics.jsonl cannot be added to"):
        append_metrics(run, {"step": 1})
    if target == "file":
        with pytest.raises(UserError, match="metrics.jsonl cannot be cut back"):
            run_folder.truncate_metrics(run, 0)
    assert (tmp_path / "file").read_text() == "mine, and longer than nothing\n"
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk_leaves_no_half_line_in_the_metrics(tmp_path, monkeypatch):
    append_metrics(tmp_path, {"step": 1})

    def half_a_line(value):
        with open(tmp_path / "metrics.jsonl", "a") as file:
            file.write('{"st')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder.json, "dumps", half_a_line)
    with pytest.raises(UserError, match="No space left on device"):
        append_metrics(tmp_path, {"step": 2})
    monkeypatch.undo()
    append_metrics(tmp_path, {"step": 2})
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2]
