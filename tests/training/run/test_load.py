"""A run that begins with another run's network: the same weights and vocabulary, its own training."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import train
from system.errors import UserError
from system.options import run_and_report
from training.command_line import read_training_command
from training.run.folder import read_config
from training.run.load import load_trained
from training.weights import read_tensors

ROOT = Path(__file__).parents[3]
PRETRAINING = """--pretraining.steps 4 --pretraining.epochs 0 --pretraining.warmup_steps 1
    --pretraining.objectives.pairs 0 --pretraining.objectives.mlm 0.5 --pretraining.objectives.span 0.5""".split()
ALONE = "--training.steps 0 --training.epochs 0".split()
TRAINING = "--training.steps 3 --training.epochs 0 --training.warmup_steps 1 --training.evaluate_every 1".split()


@pytest.fixture(scope="module")
def pretrained(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    assert run(folder, PRETRAINING + ALONE) == 0
    return folder


@pytest.fixture
def begin(run, one_thread):
    """begin(folder, network, *options): what fine-tuning says at its end."""
    return lambda folder, network, *options, **more: run(
        folder, ["--init.from", str(network), *TRAINING, *options], network=(), **more
    )


def weights(folder):
    return read_tensors(folder / "model.safetensors")


def settings_of(network, *options):
    return read_training_command(train.Settings, ["django", "--init.from", str(network), *options], "")[0]


def test_pretraining_alone_is_a_finished_run_without_scores(pretrained):
    assert json.loads((pretrained / "scores.json").read_text()) == {}
    assert json.loads((pretrained / "budget.json").read_text())["steps"] == 4
    assert not (pretrained / "predictions.jsonl").exists()


def test_fine_tuning_begins_with_its_weights_and_its_vocabulary(begin, pretrained, tmp_path):
    assert begin(tmp_path / "none", pretrained, "--training.steps", "0") == 0
    before, after = weights(pretrained), weights(tmp_path / "none")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert begin(tmp_path / "some", pretrained) == 0
    assert any(not torch.equal(before[name], tensor) for name, tensor in weights(tmp_path / "some").items())
    assert (tmp_path / "some" / "tokenizer.model").read_bytes() == (pretrained / "tokenizer.model").read_bytes()


def test_two_runs_one_after_the_other_are_one_run_of_two_phases(run, begin, pretrained, tmp_path):
    """Only without dropout, whose draws go on from one phase to the next."""
    plain = ["--model.dropout", "0", "--model.dropout_attention", "0"]
    assert run(tmp_path / "first", PRETRAINING + ALONE + plain) == 0
    assert run(tmp_path / "both", PRETRAINING + TRAINING + plain) == 0
    assert begin(tmp_path / "second", tmp_path / "first") == 0
    both, second = weights(tmp_path / "both"), weights(tmp_path / "second")
    assert both.keys() == second.keys() and all(torch.equal(both[name], second[name]) for name in both)


def test_a_run_that_was_killed_goes_on_from_there(begin, pretrained, tmp_path):
    more = ["--training.checkpoint_every", "1"]
    assert begin(tmp_path / "whole", pretrained, *more) == 0
    assert begin(tmp_path / "cut", pretrained, *more, kill_at=2) == "killed"
    assert begin(tmp_path / "cut", pretrained, *more, "--resume") == 0
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


def test_heads_may_be_left_behind_and_added(begin, pretrained, tmp_path):
    assert begin(tmp_path, pretrained, "--model.no_mlm_head", "--model.tag_head", "--training.steps", "0") == 0
    before, after = weights(pretrained), weights(tmp_path)
    assert {name.split(".")[0] for name in before.keys() - after.keys()} == {"mlm_head"}
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"tag_head"}


def test_the_network_is_the_runs_and_the_recipe_the_corpus_own(pretrained):
    found = settings_of(pretrained)
    assert (found.model.d_model, found.model.n_heads) == (16, 2) and found.model.mlm_head
    assert found.training == read_training_command(train.Settings, ["django"], "")[0].training
    assert not found.pretrains


@pytest.mark.parametrize("option", ["--model.d_model=32", "--model.preset=t5", "--data.vocab_size=900"])
def test_what_is_the_networks_own_cannot_be_chosen(pretrained, option):
    with pytest.raises(UserError, match="is the checkpoint's own; leave it out"):
        settings_of(pretrained, option)


def test_a_run_that_is_not_trained_to_its_end_is_refused(pretrained, tmp_path, capsys):
    shutil.copytree(pretrained, tmp_path / "half")
    (tmp_path / "half" / "model.safetensors").unlink()
    assert run_and_report(lambda arguments: settings_of(*arguments), [tmp_path / "half"]) == 2
    assert "half is not trained to its end; go on with: python train.py --run" in capsys.readouterr().err


def test_weights_that_have_changed_since_are_refused(begin, pretrained, tmp_path):
    shutil.copytree(pretrained, tmp_path / "network")
    assert begin(tmp_path / "run", tmp_path / "network", kill_at=1) == "killed"
    whole = (pretrained / "model.safetensors").read_bytes()
    (tmp_path / "network" / "model.safetensors").write_bytes(whole[:-1] + b"\1")
    with pytest.raises(UserError, match="are not those that .* was begun with"):
        begin(tmp_path / "run", tmp_path / "network", "--resume")


def test_a_network_that_its_weights_are_not_of_takes_no_memory(pretrained, monkeypatch):
    settings, _ = read_config(pretrained, train.Settings)
    monkeypatch.setattr("training.run.load.make_network", None)
    with pytest.raises(UserError, match="model.safetensors has .* the model has .1048576, 16."):
        load_trained(pretrained, replace(settings.model, d_ff=2**20))


def test_looking_at_shapes_does_not_load_torchs_compiler(pretrained):
    """It takes more than a second of each `eval.py --prompt`."""
    program = (
        "import sys; from pathlib import Path; from train import Settings; from training.run.folder import read_config;"
        "from training.run.load import load_trained; run = Path(sys.argv[1]);"
        "load_trained(run, read_config(run, Settings)[0].model); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(pretrained)], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr
