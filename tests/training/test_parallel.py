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
from system.errors import UserError
from training import processes
from training.parallel import exchange_figures
from training.processes import check_enough_batches, number_of_processes

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
    "recomputing": "--parallel.recompute",
    "averaging": "--strategies.average_checkpoints 2 --training.checkpoint_every 1",
    "a bad step": "", "early stopping": "--training.patience 1 --training.evaluate_every 1 --training.learning_rate 9 "
                                        "--training.steps 9",
    "quick start": "--pretraining.steps 3 --pretraining.accumulate 2 --pretraining.objectives.pairs 0 "
                   "--pretraining.objectives.mlm 0.5 --pretraining.objectives.span 0.5",
}  # fmt: skip
MIXTURE = STRATEGIES["quick start"]
EVERY_STEP = """--{0}.steps 10 --{0}.evaluate_every 1 --{0}.checkpoint_every 1 --{0}.keep_checkpoints 10""".format
STEPS = {
    "ten steps of pairs": EVERY_STEP("training"),
    "ten steps of the mixture": f"{MIXTURE} {EVERY_STEP('pretraining')} --training.steps 1 "
                                "--training.keep_checkpoints 20",
}
PRECISION = {"float32": ""}  # the losses are compared, to 1e-5
AGAINST_NONE = {"no dropout": "--model.dropout 0"}  # one process trains with --parallel.mode none
KEY_BIASES = "key.bias"  # their true gradient is zero, and Adam makes a step of what rounding leaves


def objective_case(name):
    """A run that trains under this objective beside pairs."""
    head = f"--model.{OBJECTIVES[name].head}" if OBJECTIVES[name].head else ""
    return f"--training.objectives.{name} 1 {head}"


EXACT = STRATEGIES | STEPS | AGAINST_NONE | {name: objective_case(name) for name in OBJECTIVES if name != "pairs"}
CASES = {name: options.split() for name, options in (EXACT | PRECISION).items()}


def command(name, world):
    """The options of a case."""
    alone = world == 1 and name in AGAINST_NONE
    return [*SHORT, *CASES[name], "--parallel.mode", "none" if alone else "copies"]


def make_runs(folder, worlds, names):
    """Make the runs of these cases in so many processes, all at once; those of N lie in of-N."""
    environment = {name: value for name, value in os.environ.items() if name != "CI_STEPS"} | {"OMP_NUM_THREADS": "1"}
    started = {}
    for world in worlds:
        file = folder / f"cases-{world}.json"
        file.write_text(json.dumps({name: command(name, world) for name in names}))
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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the runs of one process and of two."""
    return make_runs(tmp_path_factory.mktemp("parallel"), (1, 2), CASES)


def same_weights(file, other):
    """Whether two files hold the same network to 1e-12, and something at all."""
    one, two = load_file(file), load_file(other)
    assert one.keys() == two.keys() and one
    for name, weight in one.items():
        if not name.endswith(KEY_BIASES):
            assert (weight - two[name]).abs().max() <= 1e-12, name
    return True


@pytest.mark.parametrize("case", EXACT)
def test_two_processes_end_with_the_weights_of_one(made, case):
    one, two = (made / f"of-{world}" / case for world in (1, 2))
    assert same_weights(one / "model.safetensors", two / "model.safetensors")


@pytest.mark.parametrize("case", STEPS)
def test_two_processes_have_the_weights_of_one_after_every_step(made, case):
    one, two = (made / f"of-{world}" / case / "checkpoints" for world in (1, 2))
    checkpoints = sorted(folder.name for folder in one.iterdir())
    assert len(checkpoints) >= 10
    assert all(same_weights(one / name / "model.safetensors", two / name / "model.safetensors") for name in checkpoints)


@pytest.mark.slow
@pytest.mark.parametrize("world", [3, 4])
def test_three_and_four_processes_end_with_the_weights_of_one(made, tmp_path, world):
    cases = [*STEPS, "five batches", "freelb", "meta"]
    make_runs(tmp_path, (world,), cases)
    for case in cases:
        one, many = (folder / case / "model.safetensors" for folder in (made / "of-1", tmp_path / f"of-{world}"))
        assert same_weights(one, many)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_losses_and_the_budget_of_one(made, case):
    one, two = (made / f"of-{world}" / case for world in (1, 2))
    lines = [[json.loads(line) for line in open(run / "metrics.jsonl", encoding="utf-8")] for run in (one, two)]
    assert len(lines[0]) == len(lines[1]) > 0
    for line, other in zip(*lines, strict=True):
        for figure in ("loss", "gradient_norm", "held_out_loss"):
            expected = pytest.approx(line.get(figure, 0), rel=1e-5 if case in PRECISION else 1e-12, abs=0, nan_ok=True)
            assert other.get(figure, 0) == expected, figure
    budgets = [json.loads((run / "budget.json").read_text(encoding="utf-8")) for run in (one, two)]
    for name in ("steps", "examples", "tokens", "training_flops"):
        assert budgets[0][name] == budgets[1][name]


def test_metrics_say_how_long_the_processes_wait_for_each_other(made):
    one, two = (made / f"of-{world}" / "plain" / "metrics.jsonl" for world in (1, 2))
    for line in map(json.loads, one.read_text(encoding="utf-8").splitlines()):
        assert "exchange_share" not in line
    lines = [json.loads(line) for line in two.read_text(encoding="utf-8").splitlines()]
    waited = [line for line in lines if "tokens_per_second" in line]
    assert waited and all(0 < line["exchange_share"] <= 1 and line["slowest_process"] in (0, 1) for line in waited)


def test_the_slowest_process_is_the_one_that_the_others_wait_for():
    assert exchange_figures([4.0, 2.0, 3.0], seconds=12.0) == {"exchange_share": 0.25, "slowest_process": 1}
    assert exchange_figures([], 10.0) == {}
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


def test_more_processes_than_batches_are_refused_where_torchrun_has_started_them(monkeypatch):
    monkeypatch.delenv(processes.STORE, raising=False)
    with pytest.raises(UserError, match="training.accumulate=2 has work for 2 of 8.*--training.accumulate 8"):
        check_enough_batches(8, {"pretraining": 1, "training": 2})
    check_enough_batches(2, {"pretraining": 1, "training": 2})
    monkeypatch.setenv(processes.STORE, "started by python train.py")
    check_enough_batches(8, {"pretraining": 1, "training": 2})


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
