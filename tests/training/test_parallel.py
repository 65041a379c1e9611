"""Processes that train together compute what one process computes alone, whatever the objective and the strategy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from data.objectives.table import OBJECTIVES
from system.cores import usable_cores
from training import processes
from training.processes import number_of_processes

WORKER = Path(__file__).with_name("parallel_worker.py")
SHORT = """--training.steps 3 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 2
    --training.accumulate 2 --training.ema_decay 0 --training.evaluate_every 2""".split()
STRATEGIES = {
    "plain": "", "ema": "--training.ema_decay 0.9", "five batches": "--training.accumulate 5",
    "auxiliary": "--strategies.auxiliary.task mlm", "fgm": "--strategies.adversary.kind fgm",
    "freelb": "--strategies.adversary.kind freelb", "meta": "--strategies.meta.kind fomaml",
    "lora": "--strategies.lora.rank 2", "decay": "--strategies.layers.decay 0.5",
    "last layers": "--strategies.layers.last 2", "unfreezing": "--strategies.layers.unfreeze_every 2",
    "tasks": "--strategies.tasks.names summary", "words": "--strategies.perturb 0.5",
    "averaging": "--strategies.average_checkpoints 2 --training.checkpoint_every 1",
    "a bad step": "", "early stopping": "--training.patience 1 --training.evaluate_every 1 --training.learning_rate 9 "
                                        "--training.steps 9",
    "quick start": "--pretraining.steps 3 --pretraining.accumulate 2 --pretraining.objectives.pairs 0 "
                   "--pretraining.objectives.mlm 0.5 --pretraining.objectives.span 0.5",
}  # fmt: skip
KEY_BIASES = "key.bias"  # their true gradient is zero, and Adam makes a step of what rounding leaves


def objective_case(name):
    """A run that trains under this objective beside pairs."""
    head = f"--model.{OBJECTIVES[name].head}" if OBJECTIVES[name].head else ""
    return f"--training.objectives.{name} 1 {head}"


CASES = {name: options.split() for name, options in STRATEGIES.items()} | {
    name: objective_case(name).split() for name in OBJECTIVES if name != "pairs"
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the runs of one process and of two, all made at once."""
    folder = tmp_path_factory.mktemp("parallel")
    file = folder / "cases.json"
    environment = {name: value for name, value in os.environ.items() if name != "CI_STEPS"} | {"OMP_NUM_THREADS": "1"}
    started = {}
    for world in (1, 2):
        cases = {name: [*SHORT, *options, "--parallel.mode", "copies"] for name, options in CASES.items()}
        file.write_text(json.dumps(cases))
        for rank in range(world):
            place = {"RANK": str(rank), "WORLD_SIZE": str(world), processes.STORE: str(folder / f"store-{world}" / "s")}
            (folder / f"store-{world}").mkdir(exist_ok=True)
            log = open(folder / f"{world}-{rank}.log", "w+", encoding="utf-8")
            started[world, rank] = log, subprocess.Popen(
                [sys.executable, str(WORKER), str(folder / f"of-{world}"), str(file)], stdin=subprocess.PIPE,
                stdout=log, stderr=log, env=environment | place,
            )  # fmt: skip
    for log, process in started.values():
        try:
            status = process.wait(timeout=300)
        finally:
            process.kill()
        log.seek(0)
        assert status == 0, log.read()[-2000:]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(made, case):
    one, two = (load_file(made / f"of-{world}" / case / "model.safetensors") for world in (1, 2))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        if not name.endswith(KEY_BIASES):
            assert (weight - two[name]).abs().max() <= 1e-12, name


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_losses_and_the_budget_of_one(made, case):
    one, two = (made / f"of-{world}" / case for world in (1, 2))
    lines = [[json.loads(line) for line in open(run / "metrics.jsonl", encoding="utf-8")] for run in (one, two)]
    assert len(lines[0]) == len(lines[1]) > 0
    for line, other in zip(*lines, strict=True):
        for figure in ("loss", "gradient_norm", "held_out_loss"):
            expected = pytest.approx(line.get(figure, 0), rel=1e-12, abs=0, nan_ok=True)
            assert other.get(figure, 0) == expected, figure
    budgets = [json.loads((run / "budget.json").read_text(encoding="utf-8")) for run in (one, two)]
    for name in ("steps", "examples", "tokens", "training_flops"):
        assert budgets[0][name] == budgets[1][name]


def test_a_step_that_is_not_finite_in_one_process_is_skipped_by_all(made):
    for world in (1, 2):
        state = json.loads((made / f"of-{world}" / "a bad step" / "checkpoints" / "step-3" / "state.json").read_text())
        assert state["position"]["counters"]["skipped_steps"] == 1
        assert state["position"]["counters"]["bad_steps"] == 0


def test_processes_stop_early_together(made):
    steps = [json.loads((made / f"of-{n}" / "early stopping" / "budget.json").read_text())["steps"] for n in (1, 2)]
    assert steps[0] == steps[1] < 9


def test_a_command_starts_a_process_a_core_as_far_as_a_step_has_batches(monkeypatch):
    monkeypatch.setattr(processes, "usable_cores", lambda: 4)
    monkeypatch.setattr(processes, "has_gpu", lambda: False)
    assert number_of_processes(["django", "--training.accumulate", "3"]) == 3
    assert number_of_processes(["django", "--training.accumulate=9"]) == 4
    assert number_of_processes(["django", "--training.accumulate=9", "--parallel.processes", "2"]) == 2
    for alone in ("--threads 2", "--check", "--help", "--parallel.mode none", "--parallel.processes 1", "--device mps"):
        assert number_of_processes(["django", "--training.accumulate=9", *alone.split()]) == 1, alone
    monkeypatch.setattr(processes, "has_gpu", lambda: True)
    assert number_of_processes(["django", "--training.accumulate=9"]) == 1
    assert number_of_processes(["django", "--training.accumulate=9", "--device", "cpu"]) == 4


def test_a_run_that_several_processes_began_is_gone_on_with_by_several(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "usable_cores", lambda: 4)
    asked = ["--run", str(tmp_path), "--resume", "--device", "cpu"]
    assert number_of_processes(asked) == 1, "there is no such run"
    for mode, n in {"copies": 3, "none": 1}.items():
        config = {"parallel": {"mode": mode}, "training": {"accumulate": 3}, "pretraining": {"accumulate": 1}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert number_of_processes(asked) == n
    for odd in ("[]", '{"parallel": 1}', '{"parallel": {"mode": "copies"}, "training": {"accumulate": null}}', "{"):
        (tmp_path / "config.json").write_text(odd)
        assert number_of_processes(asked) == 1


def test_cores_are_those_that_the_process_may_use(monkeypatch, tmp_path):
    from system import cores

    monkeypatch.setattr(cores, "V2", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert usable_cores() == 8
    for limit, expected in {"max 100000": 8, "250000 100000": 2, "50000 100000": 1, "1600000 100000": 8}.items():
        (tmp_path / "cpu.max").write_text(limit)
        assert usable_cores() == expected
