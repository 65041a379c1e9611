"""Processes that train together, killed, stopped and broken: one line says which, nothing is left behind or lost."""

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow
ROOT, TRAIN = Path(__file__).parents[2], str(Path(__file__).with_name("faulty_train.py"))
OPTIONS = """--device cpu --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4 --data.held_out 8
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --model.dropout 0.1 --training.steps 40 --training.epochs 0 --training.warmup_steps 5 --training.checkpoint_every 1
    --training.evaluate_every 20 --training.ema_decay 0.9 --training.accumulate 3""".split()
TORCHRUN = ["torchrun", "--nproc-per-node", "2", "--"]
LAUNCHERS = {"python": [sys.executable], "torchrun": TORCHRUN}
BOTH = pytest.mark.parametrize("by", LAUNCHERS)
DEADLINE = 60  # seconds after a fault


class Started:
    """A command that trains, with what it prints in a file; it is ended with all that it began when the test ends."""

    def __init__(self, folder, command, fault="none 0 0", **environment):
        self.log = folder / f"said-{len(list(folder.glob('said-*')))}"
        place = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "FAULT": fault} | environment
        place["PATH"] = str(Path(sys.executable).parent) + os.pathsep + place["PATH"]  # where torchrun is
        for name in ("CI_STEPS", "WORLD_SIZE", "RANK"):
            place.pop(name, None)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=place, stdin=subprocess.DEVNULL, start_new_session=True
            )

    @property
    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def errors(self):
        return [line for line in self.said.splitlines() if line.startswith("error:")]

    def children(self):
        """The processes that this one has begun, by their age."""
        try:
            return sorted(child.pid for child in psutil.Process(self.process.pid).children())
        except psutil.NoSuchProcess:
            return []

    def ranks(self):
        """The two processes that train."""
        children = [child for child in self.children() if is_python(child)]
        return children if len(children) == 2 else [self.process.pid, *children]

    def end(self):
        for pid in [self.process.pid, *self.children()]:
            send(pid, signal.SIGKILL)
        self.process.wait()

    def status(self, seconds=DEADLINE):
        return self.process.wait(seconds)


def is_python(pid):
    try:
        return "python" in " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def is_there(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(true, seconds=100.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def begin(pairs, tmp_path):
    """begin(run, by=..., fault=..., OPTION, ...): go on with a run, or begin it."""
    started = []

    def begin(run, *options, by="python", fault="none 0 0"):
        begun = ["--resume"] if (run / "config.json").exists() and "--overwrite" not in options else []
        launcher = LAUNCHERS[by] if isinstance(by, str) else by
        options = ["files", "--data.path", str(pairs), "--run", str(run), *OPTIONS, *options, *begun]
        if "--parallel.processes" not in options:
            options += ["--parallel.processes", "2"]
        started.append(Started(tmp_path, [*launcher, TRAIN, *options], fault))
        return started[-1]

    yield begin
    for one in started:
        one.end()


@pytest.fixture(scope="module")
def undisturbed(pairs, tmp_path_factory):
    """What a run of two processes comes to, and how long it takes in seconds."""
    folder, began = tmp_path_factory.mktemp("runs"), time.monotonic()
    options = ["files", "--data.path", str(pairs), "--run", str(folder / "whole"), *OPTIONS]
    started = Started(folder, [sys.executable, TRAIN, *options, "--parallel.processes", "2"])
    try:
        assert started.status(300) == 0, started.said
    finally:
        started.end()
    return outcome(folder / "whole"), time.monotonic() - began


def outcome(run):
    """Weights, metrics without the clock's, and the steps that were counted."""
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in metrics:
        for name in ("tokens_per_second", "exchange_share", "slowest_process"):
            line.pop(name, None)
    budget = json.loads((run / "budget.json").read_text())
    return (run / "model.safetensors").read_bytes(), metrics, budget["steps"], budget["tokens"]


def steps_of(run):
    return [int(path.name[5:]) for path in (run / "checkpoints").glob("step-*") if path.name[5:].isdigit()]


def is_training(run):
    """Several steps are taken."""
    return lambda: max(steps_of(run), default=0) >= 3


def kill(one):
    """Kill all processes at once, and wait until they are gone."""
    others = one.children()
    for pid in [one.process.pid, *others]:
        send(pid, signal.SIGKILL)
    one.process.wait()
    until(lambda: not any(map(is_there, others)))


def test_processes_that_are_killed_at_ten_random_moments_end_the_same(begin, undisturbed, tmp_path):
    expected, seconds = undisturbed
    run = tmp_path / "killed"
    for number in range(10):
        one, step = begin(run), max(steps_of(run), default=0) + random.randint(1, 4)
        if number % 3 == 0:  # at any moment of its life, else some steps later
            time.sleep(random.uniform(0, seconds / 2))
        else:
            until(lambda: max(steps_of(run), default=0) >= step or one.process.poll() is not None)  # noqa: B023
            time.sleep(random.uniform(0, 0.2))
        kill(one)
    assert begin(run).status(200) == 0
    assert outcome(run) == expected


@pytest.mark.parametrize("processes", [1, 3])
def test_what_two_processes_began_another_number_goes_on_with(begin, undisturbed, tmp_path, processes):
    run = tmp_path / "run"
    one = begin(run)
    until(is_training(run))
    kill(one)
    assert max(steps_of(run)) < 40
    one = begin(run, "--parallel.processes", str(processes))
    assert one.status(200) == 0, one.said
    assert json.loads((run / "environment.json").read_text())["processes"] == processes
    assert json.loads((run / "config.json").read_text())["parallel"]["mode"] == "copies"
    (tmp_path / "expected.safetensors").write_bytes(undisturbed[0][0])
    assert_alike(run / "model.safetensors", tmp_path / "expected.safetensors")
    assert outcome(run)[2:] == undisturbed[0][2:]


def assert_alike(file, other):
    """To the rounding of float32. Key biases' true gradient is zero, and Adam makes steps of what rounding leaves."""
    one, two = load_file(file), load_file(other)
    for name, weight in one.items():
        if not name.endswith("key.bias"):
            torch.testing.assert_close(weight, two[name], rtol=1e-3, atol=1e-5)


@BOTH
def test_the_death_of_one_process_ends_all_with_a_line_that_names_it(begin, undisturbed, tmp_path, by):
    run = tmp_path / "run"
    one = begin(run, by=by)
    until(is_training(run))
    ranks = one.ranks()
    send(ranks[1], signal.SIGKILL)
    assert one.status() in (1, 2)
    expected = {"python": "process 1 of 2 was killed by signal 9", "torchrun": "process 1 of 2 has ended"}
    assert len(one.errors) == 1 and expected[by] in one.errors[0] and "--resume" in one.errors[0], one.said
    until(lambda: not any(map(is_there, ranks)), 5)
    assert begin(run, by=by).status(200) == 0
    assert outcome(run) == undisturbed[0]


@BOTH
def test_the_death_of_the_first_process_ends_all(begin, tmp_path, by):
    run = tmp_path / "run"
    one = begin(run, by=by)
    until(is_training(run))
    ranks = one.ranks()
    send(ranks[0], signal.SIGKILL)
    assert one.status() in (1, -signal.SIGKILL)
    until(lambda: not any(map(is_there, ranks)), 20)
    if by == "torchrun":  # else the terminal's process is gone itself
        assert len(one.errors) == 1 and "process 0 of 2 has ended" in one.errors[0], one.said


@BOTH
def test_a_process_that_hangs_in_an_exchange_is_named_when_patience_ends(begin, tmp_path, by):
    run = tmp_path / "run"
    one = begin(run, "--parallel.patience", "3", by=by)
    until(is_training(run))
    ranks = one.ranks()
    send(ranks[1], signal.SIGSTOP)
    assert one.status() in (1, 2)
    assert len(one.errors) == 1 and "process 1 of 2 has not answered for 3 s" in one.errors[0], one.said
    until(lambda: not any(map(is_there, ranks)), 5)


def test_a_first_process_that_hangs_does_not_keep_the_others(begin, tmp_path):
    run = tmp_path / "run"
    one = begin(run, "--parallel.patience", "3", "--training.checkpoint_every", "10", "--training.steps", "4000")
    until(lambda: steps_of(run))
    ranks = one.ranks()
    time.sleep(0.3)
    send(ranks[0], signal.SIGSTOP)
    until(lambda: not is_there(ranks[1]), DEADLINE)
    assert "process 0 of 2 has not answered for 3 s" in (run / "logs" / "rank-1.log").read_text()
    send(ranks[0], signal.SIGCONT)
    assert one.status() in (1, 2)
    assert len(one.errors) == 1, one.said


FAULTS = {
    "raise 1 5": "process 1 of 2: ZeroDivisionError: a fault",
    "full 0 5": "No space left on device",
    "log 1 5": "process 1 of 2: No space left on device",
    "weights 1 5": "process 1 of 2 has other weights than process 0 after step 5",
    "nan 1 5": "the loss was not finite 5 steps in a row",
}


@pytest.mark.parametrize(("by", "fault"), [*(("python", fault) for fault in FAULTS), ("torchrun", "raise 1 5")])
def test_a_fault_in_one_process_ends_all_at_once_with_one_line(begin, undisturbed, tmp_path, by, fault):
    run = tmp_path / "run"
    one = begin(run, by=by, fault=fault)
    assert one.status(120) in (1, 2)
    assert len(one.errors) == 1 and FAULTS[fault] in one.errors[0], one.said
    assert by == "torchrun" or "Traceback" not in one.said
    assert max(steps_of(run)) == (8 if "nan" in fault else 4)  # steps 5 to 9 are bad, and the last one ends it
    if fault == "full 0 5":
        assert begin(run, by=by).status(120) == 0
        assert outcome(run) == undisturbed[0]


@BOTH
def test_a_mistake_in_the_command_is_said_once(begin, tmp_path, by):
    one = begin(tmp_path / "run", "--training.nonsense", "3", by=by)
    assert one.status() in (1, 2)
    assert len(one.errors) == 1 and "--training.nonsense is not an option" in one.errors[0], one.said
    assert not (tmp_path / "run").exists()


STOPS = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1


@pytest.mark.parametrize(("by", "number"), [*(("python", number) for number in STOPS), ("torchrun", signal.SIGTERM)])
def test_a_signal_saves_before_all_end_and_the_run_goes_on(begin, undisturbed, tmp_path, by, number):
    run = tmp_path / "run"
    if by == "torchrun":
        by = ["torchrun", "--signals-to-handle", "SIGTERM,SIGINT,SIGUSR1", *TORCHRUN[1:]]
    one = begin(run, "--training.checkpoint_every", "1000", by=by)
    until(lambda: "step 4/" in one.said)
    one.process.send_signal(number)
    assert one.status() == (130 if by == "python" else 1)  # torchrun's own, after a signal
    assert not one.errors and f"python train.py --run {run} --resume" in one.said, one.said
    assert steps_of(run)
    assert begin(run, "--training.checkpoint_every", "1000", by=by).status(120) == 0
    assert outcome(run) == undisturbed[0]


def test_what_torchrun_starts_again_goes_on_and_overwrites_nothing(begin, undisturbed, tmp_path):
    run = tmp_path / "run"
    one = begin(run, "--overwrite", by=["torchrun", "--max-restarts", "1", *TORCHRUN[1:]])
    until(is_training(run))
    made, first = (run / "config.json").stat().st_mtime_ns, one.ranks()
    send(first[1], signal.SIGKILL)
    assert one.status(200) == 0, one.said
    assert (run / "config.json").stat().st_mtime_ns == made
    assert outcome(run) == undisturbed[0]


@pytest.mark.parametrize("differs, said", [
    ("--run RUN --seed $RANK", "has other settings than process 0: seed (1 there, 0 in process 0)"),
    ("--run RUN$RANK", "does not see what process 0 writes in RUN1; give all of them a --run on storage"),
])  # fmt: skip
def test_what_is_not_the_same_in_all_processes_is_refused_in_one_line(begin, pairs, tmp_path, differs, said):
    run = str(tmp_path / "run")
    command = f"{sys.executable} {TRAIN} files --data.path {pairs} {' '.join(OPTIONS)} {differs.replace('RUN', run)}"
    one = Started(tmp_path, [*TORCHRUN[:-1], "--no-python", "--", "bash", "-c", command])
    try:
        assert one.status(100) == 1
        assert len(one.errors) == 1 and said.replace("RUN", run) in one.errors[0], one.said
    finally:
        one.end()


SRUN = """#!/bin/bash
# Starts a command once a node and passes SIGUSR1 on, as Slurm's does.
trap 'kill -USR1 $nodes' USR1
for node in $(seq $SLURM_NNODES); do "$@" & nodes="$nodes $!"; done
wait; wait
"""
SCONTROL = """#!/bin/bash
case $1 in show) echo localhost;; requeue) touch $REQUEUED;; esac
"""


def test_a_job_of_slurm_saves_before_its_limit_and_goes_on_when_it_is_queued_again(pairs, undisturbed, tmp_path):
    """The script of the page; two agents of torchrun stand for two machines."""
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    job, run, queued = tmp_path / "job.sh", tmp_path / "run", tmp_path / "queued"
    job.write_text(re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1].replace("train.py", TRAIN))
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    place = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_NNODES": "2", "SLURM_JOB_ID": str(random.randrange(10**6)),
        "RUN": str(run), "REQUEUED": str(queued), "OPTIONS": " ".join(["files", "--data.path", str(pairs), *OPTIONS]),
    }  # fmt: skip
    for again in (True, False):
        one = Started(tmp_path, ["bash", str(job)], **place)
        try:
            if again:
                until(is_training(run))
                one.process.send_signal(signal.SIGUSR1)  # to the script alone, as B: says
            one.status(150)
            assert not one.errors, one.said
            assert queued.exists() == again, one.said
        finally:
            one.end()
        queued.unlink(missing_ok=True)
    assert outcome(run) == undisturbed[0]
