"""A run in shards, one of whose processes is killed at a random moment, goes on in any number of processes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
OPTIONS = """--device cpu --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4 --data.held_out 8
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --model.dropout 0.1 --training.steps 80 --training.epochs 0 --training.warmup_steps 5 --training.accumulate 6
    --training.checkpoint_every 1 --training.evaluate_every 20 --training.ema_decay 0.9""".split()
BEGIN = ["--parallel.mode", "fsdp"]
DEADLINE = 300  # seconds for one start of it
CLOSE = 1e-4  # of weights after 80 steps in float32, whose sums were made in another order


@pytest.fixture(scope="module")
def whole(pairs, tmp_path_factory):
    """The weights of two processes that nobody killed."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    process = start(pairs, run, 2)
    said = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 0, said
    return load_file(run / "model.safetensors")


def start(pairs, run, n):
    """n processes that train, or go on where there is something to go on with."""
    more = ["--resume"] if (run / "config.json").exists() else BEGIN
    return subprocess.Popen(
        [sys.executable, "train.py", "files", "--data.path", str(pairs), "--run", str(run), *OPTIONS, *more,
         "--parallel.processes", str(n)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
    )  # fmt: skip


def kill_one(process, run, generator):
    """Kill one of the processes a while after training has begun again; what the first one said. It may have ended."""
    before, deadline = newest(run), time.monotonic() + DEADLINE
    while newest(run) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(generator.uniform(0, 1))
    others = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    victim = generator.choice([process.pid, *map(int, others)])
    if process.poll() is None:
        os.kill(victim, signal.SIGKILL)
    said = process.communicate(timeout=DEADLINE)[0]
    return said, victim != process.pid


def newest(run):
    """The number of the newest checkpoint, 0 before there is one."""
    numbers = [path.name.removeprefix("step-") for path in (run / "checkpoints").glob("step-*")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def differences(one, other):
    """The largest difference of each weight, but for key biases: their true gradient is zero."""
    assert one.keys() == other.keys()
    return {name: (one[name] - other[name]).abs().max().item() for name in one if not name.endswith("key.bias")}


@pytest.mark.slow
def test_ten_kills_change_no_bit_where_as_many_processes_go_on(pairs, whole, tmp_path):
    run, generator, n_killed = tmp_path / "run", random.Random(1), 0
    for _ in range(10):
        process = start(pairs, run, 2)
        said, was_other = kill_one(process, run, generator)
        if process.returncode == 0:
            break
        n_killed += 1
        if was_other:
            assert process.returncode == 2, said
            assert "error: process 1 of 2 was killed by signal 9" in said
            assert "Traceback" not in said
    assert n_killed >= 3
    if process.returncode:
        assert start(pairs, run, 2).wait(timeout=DEADLINE) == 0
    assert not any(differences(whole, load_file(run / "model.safetensors")).values())


@pytest.mark.slow
def test_other_numbers_of_processes_go_on_to_the_same_weights(pairs, whole, tmp_path):
    run, generator = tmp_path / "run", random.Random(2)
    for n in (2, 1, 3):
        process = start(pairs, run, n)
        kill_one(process, run, generator)
        assert process.returncode, f"{n} processes were to be killed before their end"
    assert start(pairs, run, 2).wait(timeout=DEADLINE) == 0
    assert max(differences(whole, load_file(run / "model.safetensors")).values()) < CLOSE
