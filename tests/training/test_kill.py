"""`python train.py`, killed by real signals at random moments and resumed, gives the bits of an uninterrupted run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("hangups_are_heard")
ROOT = Path(__file__).parents[2]
# A checkpoint at every step, so that many kills come in the middle of one.
OPTIONS = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --data.held_out 8 --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1
    --model.n_decoder_layers 1 --model.dropout 0.1 --training.steps 60 --training.epochs 0 --training.warmup_steps 5
    --training.checkpoint_every 1 --training.evaluate_every 20 --training.ema_decay 0.9""".split()


@pytest.fixture(scope="module")
def uninterrupted(pairs, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    began = time.monotonic()
    process = start(pairs, run)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    return outcome(run), time.monotonic() - began


def start(pairs, run):
    """A process that trains, or goes on where there is something to go on with. Its two outputs come in one pipe."""
    begun = ["--resume"] if (run / "config.json").exists() else []
    return subprocess.Popen(
        [sys.executable, "train.py", "files", "--data.path", str(pairs), "--run", str(run), *OPTIONS, *begun],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
    )


def outcome(run):
    """Weights, metrics without the clock's, the steps that were counted, and the hash of the code."""
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in metrics:
        del line["tokens_per_second"]
    budget = json.loads((run / "budget.json").read_text())
    code = json.loads((run / "environment.json").read_text())["code_hash"]
    return (run / "model.safetensors").read_bytes(), metrics, budget["steps"], budget["tokens"], code


def finish(pairs, run):
    process = start(pairs, run)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert [path.name for path in (run / "checkpoints").iterdir() if "." in path.name] == []


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_trains_ends_the_same(pairs, uninterrupted, tmp_path):
    run = tmp_path / "killed"
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
        process = start(pairs, run)
        lines_of_steps = (line for line in process.stdout if line.startswith("training step"))
        for _ in range(random.randint(1, 8)):  # a line is said every 3 of the 60 steps
            next(lines_of_steps)
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(number)
        said = process.communicate()[0]
        if number == signal.SIGKILL:  # the folder is free at once
            assert process.returncode == -number
        else:
            assert process.returncode == 130
            assert f"python train.py --run {run} --resume" in said
        assert not (run / "model.safetensors").exists()
    finish(pairs, run)
    assert outcome(run) == uninterrupted[0]


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_of_its_life_ends_the_same(pairs, uninterrupted, tmp_path):
    expected, seconds = uninterrupted
    run = tmp_path / "killed"
    for _ in range(12):
        process = start(pairs, run)
        time.sleep(random.uniform(0, seconds))
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))
        process.communicate()
    finish(pairs, run)
    assert outcome(run) == expected
