"""Wherever a run of two phases is cut off, going on with it gives the bits of an uninterrupted one.

The cut is an exception out of the loop, as sudden as a kill for everything on disk but a file half written; real
kills of real processes are in test_kill.py.
"""

import errno
import hashlib
import itertools
import json
import os
import shutil
import signal
from types import SimpleNamespace

import pytest

from system.errors import UserError

PRETRAINING = """--pretraining.steps 5 --pretraining.epochs 0 --pretraining.warmup_steps 2 --pretraining.accumulate 2
    --pretraining.objectives.pairs 0 --pretraining.objectives.mlm 0.5 --pretraining.objectives.span 0.5
    --pretraining.checkpoint_every 2""".split()
TRAINING = """--training.steps 8 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 3
    --training.evaluate_every 2 --training.ema_decay 0.9""".split()


def outcome(folder):
    """Everything a finished run says that does not depend on the clock."""
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in metrics:
        del line["tokens_per_second"]
    budget = json.loads((folder / "budget.json").read_text())
    counted = {name: budget[name] for name in ("steps", "examples", "tokens", "training_flops")}
    return SimpleNamespace(weights=(folder / "model.safetensors").read_bytes(), metrics=metrics, counted=counted)


def assert_same(folder, expected):
    got = outcome(folder)
    assert got.metrics == expected.metrics
    assert got.counted == expected.counted
    assert got.weights == expected.weights


@pytest.fixture(scope="module")
def both_phases(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    assert run(folder, PRETRAINING + TRAINING) == 0
    return outcome(folder)


@pytest.fixture(scope="module")
def one_phase(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    assert run(folder, TRAINING) == 0
    return outcome(folder)


# Before the first checkpoint, between two, at the change of phase, after the first steps of the second phase.
@pytest.mark.parametrize("kill_at", [1, 4, 6, 8])
def test_a_run_cut_off_anywhere_ends_the_same(run, both_phases, tmp_path, kill_at):
    options = PRETRAINING + TRAINING
    assert run(tmp_path, options, kill_at) == "killed"
    assert run(tmp_path, [*options, "--resume"]) == 0
    assert both_phases.counted["steps"] == 13
    assert_same(tmp_path, both_phases)


def test_a_run_cut_off_before_its_first_checkpoint_does_not_say_its_first_steps_twice(run, one_phase, tmp_path):
    assert run(tmp_path, TRAINING, kill_at=3) == "killed"
    assert (tmp_path / "metrics.jsonl").exists()
    assert run(tmp_path, ["--resume"]) == 0
    assert_same(tmp_path, one_phase)


@pytest.mark.parametrize(("number", "signal_at"), [(signal.SIGINT, 7), (signal.SIGTERM, 5), (signal.SIGINT, 13)])
def test_a_signal_ends_the_step_saves_and_says_how_to_go_on(run, both_phases, tmp_path, number, signal_at, capfd):
    options = PRETRAINING + TRAINING
    assert run(tmp_path, options, signal_at=signal_at, number=number) == 130
    assert f"python train.py --run {tmp_path} --resume" in capfd.readouterr().err
    assert (tmp_path / "checkpoints" / f"step-{signal_at}").is_dir()
    assert run(tmp_path, ["--resume"]) == 0
    assert_same(tmp_path, both_phases)


def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before_it(run, one_phase, tmp_path, capsys):
    run(tmp_path, TRAINING, kill_at=8)
    weights = tmp_path / "checkpoints" / "step-6" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert run(tmp_path, ["--resume"]) == 0
    assert "step-6 is damaged" in capsys.readouterr().err
    assert_same(tmp_path, one_phase)


@pytest.mark.parametrize("file_number", [8, 12, 30])
def test_a_full_disk_stops_the_run_with_one_line_and_costs_nothing(run, one_phase, tmp_path, file_number):
    numbers, fsync = itertools.count(1), os.fsync

    def full_disk(descriptor):
        if next(numbers) >= file_number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("system.atomic_files.os.fsync", full_disk)
        with pytest.raises(UserError, match="No space left on device") as error:
            run(tmp_path, TRAINING)
    assert "\n" not in str(error.value)
    assert run(tmp_path, ["--resume"]) == 0
    assert_same(tmp_path, one_phase)


def test_a_run_that_goes_on_cannot_be_changed_halfway(run, one_phase, tmp_path):
    run(tmp_path, TRAINING, kill_at=5)
    for option in (["--training.steps", "4"], ["--seed", "7"], ["--model.no_copy_head"]):
        with pytest.raises(UserError, match="which --resume cannot make"):
            run(tmp_path, [*option, "--resume"])
    assert run(tmp_path, [*TRAINING, "--resume"]) == 0  # the options that it was begun with are welcome
    assert_same(tmp_path, one_phase)


def test_a_run_goes_on_with_a_cap_in_the_environment_as_it_was_begun(run, one_phase, tmp_path, monkeypatch):
    run(tmp_path, TRAINING, kill_at=5)
    config = (tmp_path / "config.json").read_bytes()
    monkeypatch.setenv("CI_STEPS", "3")
    assert run(tmp_path, ["--resume"]) == 0
    assert (tmp_path / "config.json").read_bytes() == config
    assert_same(tmp_path, one_phase)


def test_data_that_changed_are_noticed_and_the_run_is_kept(run, one_phase, tmp_path):
    run(tmp_path, TRAINING, kill_at=5)
    path = tmp_path / "environment.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps(before | {"data": {"training": {"data_hash": "another"}}}))
    with pytest.raises(UserError, match="the data of training are not those"):
        run(tmp_path, ["--resume"])
    path.write_text(json.dumps(before))
    assert run(tmp_path, ["--resume"]) == 0
    assert_same(tmp_path, one_phase)


def test_a_run_that_stopped_early_does_not_train_on_when_it_is_resumed(run, tmp_path):
    # The learning rate is too small to change anything, so the held-out loss never falls after the first time.
    early = [*TRAINING, "--training.learning_rate", "1e-30", "--training.patience", "2", "--training.ema_decay", "0"]
    run(tmp_path / "whole", early)
    expected = outcome(tmp_path / "whole")
    assert expected.counted["steps"] == 6
    assert run(tmp_path / "killed", early, kill_in_evaluation=True) == "killed"
    run(tmp_path / "killed", [*early, "--resume"])
    assert_same(tmp_path / "killed", expected)


def test_a_run_whose_folder_was_moved_goes_on_where_it_is_now(run, one_phase, tmp_path):
    run(tmp_path / "old", TRAINING, kill_at=5)
    (tmp_path / "old").rename(tmp_path / "new")
    assert run(tmp_path / "new", ["--resume"]) == 0
    assert not (tmp_path / "old").exists()
    assert_same(tmp_path / "new", one_phase)


def test_a_copied_run_that_names_data_goes_on_when_they_are_given_or_it_is_trusted(run, one_phase, tmp_path):
    run(tmp_path / "run", [*TRAINING, "--data.path", "mine.jsonl"], kill_at=5)
    for number, words in enumerate((["--data.path", "elsewhere.jsonl"], ["--trust"], [])):
        copy = shutil.copytree(tmp_path / "run", tmp_path / f"copy{number}")
        if words:
            assert run(copy, [*words, "--resume"]) == 0
            assert_same(copy, one_phase)
            continue
        with pytest.raises(UserError, match="names data.path=mine.jsonl, which is not read unasked"):
            run(copy, ["--resume"])
        assert not (copy / "model.safetensors").exists()
    with pytest.raises(UserError, match="--trust is for a run that goes on"):
        run(tmp_path / "other", [*TRAINING, "--trust"])


@pytest.mark.parametrize("answer", ["run_untrusted", "no_run_untrusted"])
def test_consent_to_run_programs_is_asked_for_again(run, one_phase, tmp_path, answer):
    run(tmp_path, [*TRAINING, "--evaluation.run_untrusted"], kill_at=5)
    with pytest.raises(UserError, match="add --evaluation.run_untrusted .* or --evaluation.no_run_untrusted"):
        run(tmp_path, ["--resume"])
    assert run(tmp_path, [f"--evaluation.{answer}", "--resume"]) == 0
    assert run.scored_by[-1].run_untrusted is (answer == "run_untrusted")
    assert_same(tmp_path, one_phase)


def test_a_checkpoint_in_a_phase_of_no_known_name_is_refused(run, one_phase, tmp_path):
    run(tmp_path, TRAINING, kill_at=8)
    for folder in (tmp_path / "checkpoints").iterdir():
        state = json.loads((folder / "state.json").read_text())
        state["position"]["phase"] = "fine-tuning"
        (folder / "state.json").write_text(json.dumps(state))
        digests = json.loads((folder / "manifest.json").read_text())
        digests["state.json"] = hashlib.sha256((folder / "state.json").read_bytes()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(digests))
    with pytest.raises(UserError, match="step-6.state.json stands in phase 'fine-tuning', this run has training"):
        run(tmp_path, ["--resume"])
    assert not (tmp_path / "model.safetensors").exists()


def test_an_old_run_is_not_deleted_for_one_that_cannot_begin(one_phase, tmp_path):
    import train

    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "config.json").write_text('{"version": 1, "special_ids": {}}')
    (folder / "model.safetensors").write_bytes(one_phase.weights)
    with pytest.raises(UserError, match="nowhere.jsonl"):
        train.main(["files", "--data.path", str(tmp_path / "nowhere.jsonl"), "--run", str(folder), "--overwrite"])
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({"nl": f"add {n} to x", "code": f"x += {n}"}) + "\n" for n in range(20)))
    with pytest.raises(UserError, match="every example is longer"):
        sizes = ["--data.max_source_length", "2", "--data.vocab_size", "400"]
        train.main(["files", "--data.path", str(pairs), "--run", str(folder), *sizes, "--overwrite"])
    assert (folder / "model.safetensors").read_bytes() == one_phase.weights
