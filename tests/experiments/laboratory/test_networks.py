"""Rows whose runs share pretrained networks: one is made once, and every run of a row begins with it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.laboratory.plan import Code, make_trial
from experiments.laboratory.suite import BASE_ROW, Suite, rows_of
from experiments.laboratory.worker import Places, as_json, trial_of, with_folders
from experiments.record.lines import read_suite
from experiments.record.measurement import ROOT
from system.errors import UserError
from training.weights import read_tensors

SIZES = {
    "corpus": "generated", "model.d_model": 16, "model.n_heads": 2, "model.d_ff": 16, "model.n_encoder_layers": 1,
    "model.n_decoder_layers": 1, "model.copy_head": False, "model.mlm_head": False, "data.vocab_size": 400,
    "data.batch_tokens": 512, "data.held_out": 20, "data.generated_train": 200, "data.generated_test": 2,
    "data.generated_operations": 10, "pretraining.steps": 0, "training.steps": 4, "training.evaluate_every": 2,
    "training.patience": 5, "training.learning_rate": 1e-9, "evaluation.max_new_tokens": 4,
}  # fmt: skip
SPANS = {"pretraining.steps": 8, "pretraining.objectives.pairs": 0.0, "pretraining.objectives.mlm": 0.0,
         "pretraining.objectives.span": 1.0}  # fmt: skip


def suite_of(networks: int, **more: object) -> Suite:
    return Suite("networks", "Networks", {**SIZES, "networks": networks, **more}, rows={"spans": SPANS})


def test_networks_are_taken_in_turn_by_all_rows_alike():
    suite = suite_of(2)
    for row in ("base", "spans"):
        assert [make_trial(suite, row, seed).network.seed for seed in range(1, 6)] == [1, 2, 1, 2, 1]
        assert make_trial(suite, row, 0, tuning=True).network.seed == 1
    assert len({make_trial(suite, "spans", seed).network.request_hash for seed in range(1, 6)}) == 2
    assert len({make_trial(suite, "spans", seed).request_hash for seed in (1, 3)}) == 1, "the seed is no part of it"
    assert make_trial(suite_of(1), "base", 1).request_hash != make_trial(suite_of(0), "base", 1).request_hash


def test_the_second_network_begins_where_the_first_did_so_that_all_have_one_vocabulary():
    first, second = (make_trial(suite_of(2), "spans", seed).network for seed in (1, 2))
    assert first.network is None and first.request_hash != second.request_hash
    start = second.network
    assert "--seed=1" in start.options and "--pretraining.steps=0" in start.options
    assert "--seed=2" in second.options and "--pretraining.steps=8" in second.options
    assert not any(option.startswith(("--model.", "--data.vocab")) for option in second.options)
    assert {option for option in start.options if option.startswith("--model.")} == {
        option for option in first.options if option.startswith("--model.")
    }


def test_what_makes_the_network_and_what_fine_tunes_it_are_told_apart():
    trial = make_trial(suite_of(1, **{"data.train_limit": 50}), "spans", 3)
    network, fine_tuning = " ".join(trial.network.options), " ".join(trial.options)
    assert "--model." not in fine_tuning and "--pretraining." not in fine_tuning and "train_limit=50" in fine_tuning
    assert "train_limit" not in network and "--training.steps=0" in network and "--pretraining.steps=8" in network
    other = make_trial(suite_of(1, **{"data.train_limit": 60, "training.steps": 9}), "spans", 3)
    assert other.network.request_hash == trial.network.request_hash and other.request_hash != trial.request_hash
    strategy = make_trial(suite_of(1, **{"data.train_limit": 50, "strategies.layers.decay": 0.5}), "spans", 3)
    assert strategy.network.request_hash == trial.network.request_hash and strategy.request_hash != trial.request_hash
    assert "--strategies.layers.decay=0.5" in strategy.options
    tags = make_trial(suite_of(1, **{"model.tag_head": True, "strategies.auxiliary.task": "tag"}), "spans", 3)
    assert "--model.tag_head" in tags.options and tags.network.request_hash == trial.network.request_hash, "a new head"
    taught = make_trial(suite_of(1, **{"model.tag_head": True, "pretraining.objectives.tag": 0.5}), "spans", 3)
    assert "--model.tag_head" in taught.network.options and "--model.tag_head" not in taught.options


def test_tuning_shortens_pretraining_only_where_each_run_has_its_own():
    assert "--pretraining.steps=2" in make_trial(suite_of(0), "spans", 0, tuning=True).options
    assert "--pretraining.steps=8" in make_trial(suite_of(1), "spans", 0, tuning=True).network.options


def test_a_teacher_is_the_run_of_its_row_that_has_the_same_seed():
    student = {"teacher": "spans", "strategies.teacher.sequence_level": True}
    suite = Suite("t", "T", {**SIZES, "networks": 1}, rows={"spans": SPANS, "student": student})
    trial = make_trial(suite, "student", 4)
    assert trial.teacher == make_trial(suite, "spans", 4)
    assert trial.network.request_hash != trial.teacher.network.request_hash
    assert "--strategies.teacher.run=spans" in trial.options  # until the run is made
    places = Places(Path("results"), Path("runs"), Code("0", ()))
    options = with_folders(trial, places)
    assert f"--strategies.teacher.run=runs/{trial.teacher.request_hash}-seed-4" in options
    assert "--strategies.teacher.run=spans" not in options
    assert trial_of(json.loads(as_json(trial, places))["trial"]) == trial
    rows = {"spans": {**SPANS, "pretraining.steps": 9}, "student": student}
    other = make_trial(replace(suite, rows=rows), "student", 4)
    assert other.request_hash != trial.request_hash, "another teacher is another run"
    with pytest.raises(UserError, match="there is no row 'nobody'"):
        rows_of(replace(suite, rows={"student": {"teacher": "nobody"}}))


def test_a_run_begins_with_the_run_of_another_row_that_has_the_same_seed():
    suite = Suite("t", "T", SIZES, rows={"on": {"start": BASE_ROW, "training.steps": 9}})
    trial = make_trial(suite, "on", 4)
    assert trial.network == make_trial(suite, BASE_ROW, 4) and trial.request_hash != trial.network.request_hash
    assert not any(option.startswith(("--model", "--data.vocab_size")) for option in trial.options)
    begun = make_trial(suite, "on", 0, tuning=True)
    assert begun.network == make_trial(suite, BASE_ROW, 0), "a tuning run begins with a whole one"
    with pytest.raises(UserError, match="there is no row 'nobody'"):
        rows_of(replace(suite, rows={"on": {"start": "nobody"}}))


@pytest.fixture
def made(tmp_path):
    """The result lines of two runs of each row, and where the runs lie."""
    corpus, file = tmp_path / "corpus", tmp_path / "networks.py"
    build = ["data", "build", "model", "--out", str(corpus), "--vocab_size", "400", "--workers", "1"]
    suite = {**SIZES, "networks": 1, "data.shards": str(corpus)}
    student = {"teacher": "spans", "strategies.teacher.sequence_level": True}
    rows = {"spans": SPANS | {"networks": 2}, "student": student}
    file.write_text(
        "from experiments.laboratory.suite import Suite\n"
        f"SUITE = Suite(name='networks', title='Networks', base={suite}, rows={rows})\n"
    )
    places = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
    ablate = ["experiments.ablate", str(file), "--seeds", "2", "--rows", "spans", "student", *places]
    for command in (build, ablate):
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True, capture_output=True)
    return read_suite(tmp_path / "results", "networks"), tmp_path / "runs"


@pytest.mark.slow
def test_a_network_is_made_once_and_every_run_of_its_row_begins_with_it(made):
    lines, runs = made
    assert sorted((line.row, line.seed) for line in lines) == [
        ("spans", 1), ("spans", 2), ("student", 1), ("student", 2)
    ]  # fmt: skip
    begun = [file.read_text().splitlines() for file in runs.glob("*.begun")]
    assert len(begun) == 7, "three networks and four runs; both students begin with the network of the base's settings"
    assert all([line.split()[-1] for line in times] in (["begins"], ["begins", "on"]) for times in begun), "each once"
    assert len(list(runs.glob("*/taught.json"))) == 2
    assert len({file.read_bytes() for file in runs.glob("*/tokenizer.model")}) == 1
    for line in lines:
        spans = line.row == "spans"
        assert line.pretraining.seed == (line.seed if spans else 1)
        assert line.pretraining.budget["steps"] == (8 if spans else 0)
        objectives = line.pretraining.config["pretraining"]["objectives"]
        assert objectives["span"] == (1.0 if spans else 0.0), "no recipe says another share"
        assert (line.pretraining.held_out_loss is not None) == spans
        assert "/" not in line.pretraining.command.replace("train.py", "")
    for folder in runs.glob("*-seed-2"):  # a learning rate of nothing: a run has its network's weights
        config = json.loads((folder / "config.json").read_text())
        if not config["training"]["steps"]:
            continue  # a network
        first, last = (read_tensors(place / "model.safetensors") for place in (runs / config["init"]["from"], folder))
        assert all((first[name] - tensor).abs().max() < 1e-6 for name, tensor in last.items())
