"""Processes that share the weights compute what one process computes that has all of them."""

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import distributed

import train
from system.errors import UserError
from training import processes
from training.parallel import Ranks
from training.strategies.config import LayersConfig, LoraConfig, StrategiesConfig

WORKER = Path(__file__).with_name("sharded_worker.py")
SHORT = """--training.steps 3 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 2
    --training.accumulate 4 --training.ema_decay 0 --training.evaluate_every 2""".split()
CASES = {
    "average": "--training.ema_decay 0.9 --training.patience 1", "lora": "--strategies.lora.rank 2",
    # Three batches are held out: in the last round the second process has none.
    "decay": "--strategies.layers.decay 0.5 --model.no_tie_embeddings --model.positions t5_relative "
             "--data.batch_examples 3",
    "copies of shards": "--pretraining.steps 2 --pretraining.accumulate 2 --pretraining.objectives.pairs 0 "
                        "--pretraining.objectives.mlm 1 --pretraining.checkpoint_every 1",
}  # fmt: skip
OF_SHARDS = {"copies of shards": "--parallel.shard_over 1 --parallel.save_meanwhile"}
RESUMED = ["--resume"]
KEY_BIASES = "key.bias"  # their true gradient is zero, and Adam makes a step of what rounding leaves


def cases_of(world):
    """The runs of so many processes: those of one in shards and in copies, and those of two that one goes on with."""
    mode = ["--parallel.mode", "fsdp"]
    of_shards = {name: [*mode, *more.split(), *OF_SHARDS.get(name, "").split()] for name, more in CASES.items()}
    shards = [{"run": f"{world}/{name}", "options": [*SHORT, *options]} for name, options in of_shards.items()]
    if world == 1:
        copies = [*SHORT, "--parallel.mode", "copies"]
        whole = [{"run": f"whole/{name}", "options": [*copies, *more.split()]} for name, more in CASES.items()]
        after = f"{len(CASES) + 1}-1-of-2"
        return [*whole, shards[0], {"run": "stopped for one", "options": RESUMED, "after": after}]
    stop = {"options": [*SHORT, *mode, "--training.ema_decay", "0.9", "--training.patience", "1"], "stop": 1}
    stops = [{"run": run, **stop} for run in ("stopped for two", "stopped for one")]
    full = {"run": "full", "options": [*SHORT, *mode, "--training.steps", "4"], "full": 4}
    return [*shards, *stops, {"run": "stopped for two", "options": RESUMED}, full]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the runs of one process and of two, all made at once."""
    folder = tmp_path_factory.mktemp("sharded")
    environment = {name: value for name, value in os.environ.items() if name != "CI_STEPS"} | {"OMP_NUM_THREADS": "1"}
    started = []
    for world in (1, 2):
        (folder / f"store-{world}").mkdir()
        (folder / f"{world}.json").write_text(json.dumps(cases_of(world)))
        for rank in range(world):
            place = {"RANK": str(rank), "WORLD_SIZE": str(world), processes.STORE: str(folder / f"store-{world}" / "s")}
            log = open(folder / f"{world}-{rank}.log", "w+", encoding="utf-8")
            started.append((log, subprocess.Popen(
                [sys.executable, str(WORKER), str(folder), str(folder / f"{world}.json")], stdin=subprocess.PIPE,
                stdout=log, stderr=log, env=environment | place,
            )))  # fmt: skip
    try:
        for log, process in started:
            status = process.wait(timeout=240)
            log.seek(0)
            assert status == 0, log.read()[-2000:]
    finally:
        for _, process in started:
            process.kill()
    return folder


def assert_whole(checkpoint):
    digests = json.loads((checkpoint / "manifest.json").read_text())
    assert {path.name for path in checkpoint.iterdir()} == {"manifest.json", *digests}
    for name, digest in digests.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == digest


def assert_same_weights(one, other):
    one, other = (load_file(run / "model.safetensors") for run in (one, other))
    assert one.keys() == other.keys()
    for name, weight in one.items():
        if not name.endswith(KEY_BIASES):
            assert (weight - other[name]).abs().max() <= 1e-12, name


@pytest.mark.parametrize("case", CASES)
def test_two_processes_that_share_the_weights_end_with_those_of_one(made, case):
    assert_same_weights(made / "whole" / case, made / "2" / case)


def test_one_process_alone_may_train_in_shards(made):
    assert_same_weights(made / "whole" / "average", made / "1" / "average")


@pytest.mark.parametrize("case", CASES)
def test_shards_have_the_losses_and_the_budget_of_one_process(made, case):
    one, two = made / "whole" / case, made / "2" / case
    lines = [[json.loads(line) for line in open(run / "metrics.jsonl", encoding="utf-8")] for run in (one, two)]
    assert len(lines[0]) == len(lines[1]) > 0
    for line, other in zip(*lines, strict=True):
        for figure in ("loss", "gradient_norm", "held_out_loss"):
            assert math.isclose(line.get(figure, 0), other.get(figure, 0), rel_tol=1e-12), figure
    budgets = [json.loads((run / "budget.json").read_text(encoding="utf-8")) for run in (one, two)]
    for name in ("steps", "examples", "tokens", "training_flops"):
        assert budgets[0][name] == budgets[1][name]


def test_the_file_of_weights_is_that_of_one_process(made):
    one, two = (made / run / "average" / "model.safetensors" for run in ("whole", "2"))
    assert one.stat().st_size == two.stat().st_size
    with safe_open(one, "pt") as file, safe_open(two, "pt") as other:
        assert file.metadata() == other.metadata()
        assert list(file.keys()) == list(other.keys())


@pytest.mark.parametrize("run", ["stopped for two", "stopped for one"])
def test_a_run_that_one_process_was_told_to_stop_goes_on_with_as_many_or_fewer(made, run):
    assert_same_weights(made / "whole" / "average", made / run)
    assert json.loads((made / run / "config.json").read_text())["parallel"]["mode"] == "fsdp", "it is kept"
    assert (made / f"{len(CASES)}-0-of-2").read_text() == "130", "stopped before its end"


def test_each_process_writes_its_part_of_a_checkpoint_and_no_file_is_a_pickle(made):
    folder = made / "2" / "average" / "checkpoints" / "step-3"
    assert_whole(folder)
    files = sorted(path.name for path in folder.iterdir())
    parts = [f"shard-{rank:05d}-model-00001-of-00001.safetensors" for rank in (1, 2)]
    assert files == ["manifest.json", "random.safetensors", *parts, "state.json"]
    assert {*json.loads((folder / "manifest.json").read_text())} == {*files} - {"manifest.json"}
    whole = load_file(made / "whole" / "average" / "checkpoints" / "step-3" / "model.safetensors")
    parts = [load_file(folder / part) for part in parts]
    for name, weight in whole.items():
        both = torch.cat([part[f"model.{name}"] for part in parts if f"model.{name}" in part])
        assert (weight - both).abs().max() <= 1e-12 or name.endswith(KEY_BIASES), name
    n_numbers = [sum(one.numel() for one in part.values()) for part in parts]
    assert abs(n_numbers[0] - n_numbers[1]) < 0.1 * sum(n_numbers), "about a half each"


def test_a_disk_that_is_full_in_one_process_ends_all_with_one_line_and_leaves_the_checkpoint_before(made):
    run, number = made / "full", len(cases_of(2)) - 1
    said = {(made / f"{number}-{rank}-of-2").read_text() for rank in (0, 1)}
    begins = f"{run}/checkpoints/step-4 could not be written (process 1: No space left on device)"
    assert said == {f"{begins}; earlier checkpoints stay"}
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-2"]


def test_checkpoints_are_whole_that_were_written_while_training_went_on(made):
    assert_whole(made / "2" / "copies of shards" / "checkpoints" / "step-5")
    one, two = (made / run / "copies of shards" / "checkpoints" for run in ("whole", "2"))
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())


REFUSED = {
    "--training.accumulate 3": "training.accumulate=3 is no multiple of the 2 processes",
    "--pretraining.steps 1": "pretraining.accumulate=1 is no multiple of the 2 processes",
    "--training.objectives.mlm 0.5": "training.objectives makes batches of different kinds (mlm, seq2seq)",
    "--training.objectives.tae 0.5": "batches of different kinds (autoencoding, seq2seq)",
    "--parallel.mode copies --parallel.shard_over 2": "parallel.shard_over is a setting of shards; add",
    "--parallel.shard_over 3": "parallel.shard_over=3 does not divide the 2 processes",
    "--model.match_head": "cannot share match_head.scale",
    "--strategies.perturb 0.5": "strategies.perturb does not go with parallel.mode fsdp",
    "--strategies.adversary.kind fgm": "strategies.adversary does not go with",
    "--strategies.layers.last 1": "strategies.layers does not go with",
    "--strategies.average_checkpoints 2": "strategies.average_checkpoints does not go with",
}


def test_lora_and_layer_wise_rates_are_all_strategies_that_shards_have():
    from training.sharded import strategy_beyond  # loads PyTorch's compiler

    assert strategy_beyond(StrategiesConfig(lora=LoraConfig(rank=2), layers=LayersConfig(decay=0.5))) == ""
    assert strategy_beyond(StrategiesConfig(layers=LayersConfig(decay=0.5, unfreeze_every=2))) == "layers"


@pytest.mark.parametrize("options", REFUSED)
def test_what_shards_cannot_train_is_refused_in_one_line_before_there_is_a_folder(
    options, run, monkeypatch, tmp_path
):
    monkeypatch.setattr(train, "join", lambda _: Ranks(0, 2, distributed.HashStore()))
    with pytest.raises(UserError) as refused:
        run(tmp_path / "run", [*SHORT, "--training.accumulate", "2", "--parallel.mode", "fsdp", *options.split()])
    assert REFUSED[options] in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
