"""A dry run says of many processes what real ones need: to the byte where two real ones can be asked."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

import train
from model.fast import make_network
from system.errors import UserError
from tests.training.conftest import NETWORK
from training import dry_run, processes
from training.dry_run import FIGURES, needs
from training.live_memory import LiveMemory

WORKER = Path(__file__).with_name("dry_run_worker.py")
PAIRS = "--data.batch_tokens 96 --data.max_source_length 24 --data.max_target_length 24 --data.vocab_size 400".split()
LOOP = "--training.steps 2 --training.epochs 0 --training.accumulate 2 --training.ema_decay 0".split()
OPTIONS = [*NETWORK, *PAIRS, *LOOP, "--device", "cpu", "--threads", "1"]


def with_vocabulary(size):
    """The settings of all tests, for a network of so many pieces."""
    settings = train.read_training_command(train.Settings, ["files", *OPTIONS], None)[0]
    return replace(settings, model=replace(settings.model, vocab_size=size))


@cache
def dry(settings, world=2, shards=False):
    return needs(settings, settings.training, world, torch.device("cpu"), shards)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """What two real processes needed, mode -> what -> bytes in the first; and their settings."""
    folder, outputs = tmp_path_factory.mktemp("dry_run"), []
    environment = {name: value for name, value in os.environ.items() if name != "CI_STEPS"}
    place = {"WORLD_SIZE": "2", processes.STORE: str(folder / "store"), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(folder / "run"), *OPTIONS], stdin=subprocess.PIPE,
            stdout=open(folder / f"{rank}.out", "w"), stderr=subprocess.STDOUT,
            env=environment | place | {"RANK": str(rank)},
        ) for rank in range(2)
    ]  # fmt: skip
    try:
        outputs = [process.wait(timeout=200) for process in started]
    finally:
        for process in started:
            process.kill()
    text = (folder / "0.out").read_text()
    assert outputs == [0, 0], text[-3000:]
    config = json.loads((folder / "run" / "config.json").read_text())
    return json.loads(text.splitlines()[-1]), with_vocabulary(config["model"]["vocab_size"])


@pytest.mark.parametrize("mode", ["copies", "shards"])
def test_two_real_processes_need_to_the_byte_what_the_dry_run_says(real, mode):
    of_real, settings = real
    found, of_mode = vars(dry(settings, shards=mode == "shards")), of_real[mode]
    if mode == "shards":  # the worker exchanges gradients there and no figures
        found = found | {"exchanged": found["exchanged"] - Counter(allreduce=10**9)}
    assert {what: found[what] for what in of_mode} == of_mode
    assert all(of_mode.values())


@pytest.fixture(scope="module")
def small():
    return with_vocabulary(400)


def trained(settings):
    """How many numbers and tensors the loss of pairs teaches."""
    weights = dict(make_network(settings.model, 0).named_parameters())
    taught = [weight.numel() for name, weight in weights.items() if not name.startswith("mlm_head")]
    return sum(taught), len(taught)


@pytest.mark.parametrize("world", [1, 8, 1024])
def test_a_copy_needs_sixteen_bytes_a_parameter_and_sends_its_gradient_round_twice(small, world):
    (n, tensors), found = trained(small), dry(small, world)
    assert found.gradients == 4 * n and found.optimizer == 8 * n + 4 * tensors
    given = 4 * n + 8 * (FIGURES + world + len(list(make_network(small.model, 0).parameters())))
    assert found.exchanged["allreduce"] == (given if world > 1 else 0)
    assert found.sent == 2 * given * (world - 1) // world


def test_a_shard_has_its_part_of_the_weights_and_gathers_each_layer_twice(small):
    whole, found = dry(small, 1), dry(small, 8, shards=True)
    for what in ("parameters", "gradients"):  # rows are shared out, so a short weight is not shared evenly
        assert 1 / 8 <= getattr(found, what) / getattr(whole, what) < 1 / 7
    model = make_network(small.model, 0)
    layers = [sum(-(-len(weight) // 8) * 8 * weight[0].numel() * 4 for weight in layer.parameters())
              for layer in (*model.encoder, *model.decoder)]  # fmt: skip
    rest = [weight for name, weight in model.named_parameters() if not name.startswith(("encoder.", "decoder."))]
    of_rest = sum(-(-len(weight) // 8) * 8 * weight[0].numel() * 4 for weight in rest)
    assert found.exchanged["allgather_base"] == 2 * sum(layers) + of_rest
    longer = dry(replace(small, training=replace(small.training, accumulate=24)), 8, shards=True)
    assert longer.exchanged["allgather_base"] == 3 * found.exchanged["allgather_base"]


@pytest.mark.parametrize("changed", ["", "ema", "recompute"])
def test_tensors_without_memory_are_counted_as_real_ones_are(small, changed, monkeypatch):
    settings = small
    if changed == "ema":
        settings = replace(small, training=replace(small.training, ema_decay=0.9))
    if changed == "recompute":
        settings = replace(small, parallel=replace(small.parallel, recompute=True))
    without = dry(settings, 4)
    monkeypatch.setattr(dry_run, "FakeTensorMode", lambda shape_env: nullcontext())
    assert needs(settings, settings.training, 4, torch.device("cpu"), False) == without
    assert without.kept == (without.parameters if changed == "ema" else 0)


def test_what_recomputes_needs_less(small):
    recomputing = dry(replace(small, parallel=replace(small.parallel, recompute=True)), 4)
    assert recomputing.activations < dry(small, 4).activations / 2
    assert recomputing.peak < dry(small, 4).peak


def test_live_memory_knows_what_is_there_and_what_was():
    with LiveMemory() as memory:
        ones = torch.ones(1000)
        twos = ones + 1
        assert memory.now == 8000
        del ones
        twos = twos.view(10, 100)
        assert memory.now == 4000 and memory.peak == 8000


def test_the_command_prints_a_table_and_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(["django", *OPTIONS, "--parallel.dry_run", "8", "--run", "here"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "8 processes; 2 batches a step, each of 2 pairs of 24 + 24 tokens"
    assert rows[0].split()[-2:] == ["copies", "shards"] and len({len(row) for row in rows}) == 1
    assert not list(tmp_path.iterdir())
    assert processes.number_of_processes(["--parallel.dry_run", "8", "--training.accumulate", "2"]) == 1


@pytest.mark.parametrize("options, said", {
    "--strategies.lora.rank 2": "strategies.lora", "--model.speed readable": "model.speed",
    "--parallel.dry_run 2000000": "parallel.dry_run",
}.items())  # fmt: skip
def test_what_a_dry_run_does_not_know_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        train.main(["files", *OPTIONS, "--parallel.dry_run", "2", *options.split()])
