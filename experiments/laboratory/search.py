"""Hyper-parameter search over any settings (chapter 3.1, step 6): random, or with successive halving.

    python -m experiments.laboratory.search pieces --space training.learning_rate=3e-4:3e-3:log model.dropout=0:0.3
        --trials 12
    python -m experiments.laboratory.search pieces --space model.n_heads=1,2,4,8 model.d_ff=256,512 --trials 8
        --halving 3

--space   setting=low:high, setting=low:high:log, or setting=value,value,..; whole numbers stay whole
--halving R: a trial is trained for 1/R^2 of the steps, then from the start for 1/R and for all of them, and stops where
          it is not among the best R-th of those before it (asynchronous successive halving, Li et al. 2020, by Optuna)

The base is that of a suite. Trials are drawn before the first one runs, so the command goes on where it was stopped;
their runs leave lines in docs/results/search_SUITE.jsonl. Only the held-out loss is looked at, never a test split.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.plan import Trial, code_of, line_of, make_trial
from experiments.laboratory.runner import run_all
from experiments.laboratory.suite import TUNING_SEED, Suite, load_suite
from experiments.laboratory.worker import Places
from experiments.record.cells import as_text
from experiments.record.lines import read_suite
from experiments.record.measurement import ROOT
from experiments.record.records import ResultLine, runs
from system.errors import UserError
from system.options import parse, run_and_report

RUNGS = 3  # budgets of successive halving


@dataclass(frozen=True)
class Settings:
    """What is searched, and how."""

    suite: Annotated[str, tyro.conf.Positional]  # the suite whose base is changed
    space: tuple[str, ...] = ()  # setting=low:high, setting=low:high:log or setting=value,value,..
    trials: int = 12  # settings that are drawn
    halving: int = 0  # keep the best 1/R at each of three budgets; 0: every trial has the whole budget
    seed: int = 0  # of the draw
    jobs: int = 2  # runs at once, one thread each
    runs: Path = ROOT / "runs" / "ablate"  # where run folders lie
    results: Path = ROOT / "docs" / "results"  # where the lines lie


def value_of_text(text: str) -> Any:
    """The value that a word of the command line stands for: a whole number, a number, true or false, or itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(text.lower(), text)


def read_space(given: tuple[str, ...]) -> dict[str, tuple[str, list[Any]]]:
    """Setting -> how it is drawn ("choice", "linear" or "log") and from what. Raises UserError."""
    space = {}
    for entry in given:
        setting, sign, values = entry.partition("=")
        kind, parts = ("choice", values.split(",")) if ":" not in values else ("linear", values.split(":"))
        if kind == "linear" and parts[-1] == "log":
            kind, parts = "log", parts[:-1]
        numbers = [value_of_text(part) for part in parts]
        of_range = kind != "choice"
        wrong = of_range and (len(numbers) != 2 or any(isinstance(value, (str, bool)) for value in numbers))
        if not sign or not values or wrong or (of_range and not numbers[0] < numbers[1]):
            raise UserError(f"--space {entry}: write setting=low:high, setting=low:high:log or setting=value,value,..")
        if kind == "log" and numbers[0] <= 0:
            raise UserError(f"--space {entry}: a logarithmic range begins above 0")
        space[setting] = kind, numbers
    if not space:
        raise UserError("--space is empty; say what is searched: --space training.learning_rate=3e-4:3e-3:log")
    return space


def draw_settings(trial: Any, space: dict[str, tuple[str, list[Any]]]) -> dict[str, Any]:
    """Draw a value for every setting, numbers with three digits, as a person would write them."""
    drawn = {}
    for setting, (kind, values) in space.items():
        if kind == "choice":
            drawn[setting] = trial.suggest_categorical(setting, values)
        elif all(isinstance(value, int) for value in values):
            drawn[setting] = trial.suggest_int(setting, *values, log=kind == "log")
        else:
            drawn[setting] = float(f"{trial.suggest_float(setting, *values, log=kind == 'log'):.3g}")
    return drawn


def trial_of_draw(suite: Suite, drawn: dict[str, Any], steps: int) -> Trial:
    """The run that trains a draw for `steps` steps. Raises UserError where its settings cannot be combined."""
    row = ", ".join(f"{setting}={value}" for setting, value in drawn.items())
    of_search = replace(
        suite, name=f"search_{suite.name}", rows={row: drawn}, factors={}, tuned={}, claims=(), exposed=(), compared={},
        base={**suite.base, "training.steps": steps},
    )  # fmt: skip
    return make_trial(of_search, row, TUNING_SEED)


def loss_of(trial: Trial, places: Places) -> float:
    """The held-out loss of a run, which is made if its line is missing; infinite where there is none."""

    def line(_: Trial) -> ResultLine | None:
        return line_of(trial, runs(read_suite(places.results, trial.suite)), {places.code.hash})

    if line(trial) is None:
        failed = run_all([trial], places, 1, lambda one: line(one) is not None, False)
        for name, said in failed.items():
            tqdm.write(f"failed: {name}: {said}", file=sys.stderr)
    found = line(trial)
    loss = None if found is None else SUITE_METRICS["loss"].value_in(found)
    return float("inf") if loss is None else loss


def losses_of_draw(trial: Any, runs: list[Trial], rate: int, places: Places) -> list[float]:
    """The losses of a draw, one budget after the other, until it is pruned or has had them all."""
    losses: list[float] = []
    for rung, run in enumerate(runs):
        losses.append(loss_of(run, places))
        trial.report(losses[-1], max(1, rate) ** rung)
        if rung < len(runs) - 1 and trial.should_prune():
            break
    return losses


def search(settings: Settings, suite: Suite) -> list[tuple[dict[str, Any], list[float]]]:
    """Every draw and its losses, in the order of the draws. Raises UserError."""
    try:
        import optuna
    except ImportError:
        raise UserError("a search needs Optuna: pip install -e '.[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    space, steps, rate = read_space(settings.space), suite.base["training.steps"], settings.halving
    if "training.steps" in space:
        raise UserError("training.steps is the budget and cannot be searched")
    if rate and steps < rate ** (RUNGS - 1):
        raise UserError(f"--halving {rate} leaves nothing of {steps} steps; give a smaller one")

    pruner = optuna.pruners.SuccessiveHalvingPruner(1, rate) if rate else optuna.pruners.NopPruner()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(settings.seed), pruner=pruner)
    trials = [study.ask() for _ in range(settings.trials)]
    draws = [draw_settings(trial, space) for trial in trials]
    budgets = [steps // rate**rung for rung in reversed(range(RUNGS))] if rate else [steps]

    # All runs are made here, which refuses what cannot be together: reading settings is not safe in several threads.
    runs = [[trial_of_draw(suite, drawn, steps) for steps in budgets] for drawn in draws]
    places = Places(settings.results.resolve(), settings.runs.resolve(), code_of([of_draw[0] for of_draw in runs]))
    one = partial(losses_of_draw, rate=rate, places=places)

    with ThreadPoolExecutor(settings.jobs) as pool, tqdm(total=len(draws), unit="trial", disable=None) as bar:
        futures = [pool.submit(one, trial, of_draw) for trial, of_draw in zip(trials, runs, strict=True)]
        for future in futures:
            future.add_done_callback(lambda _: bar.update())
        try:
            return [(drawn, future.result()) for drawn, future in zip(draws, futures, strict=True)]
        except BaseException:  # Ctrl-C reaches the runs themselves: only what has not begun must not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def main(arguments: list[str]) -> int:
    """Search, and print the draws, the best first."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.laboratory.search")
    for name, least in (("trials", 1), ("jobs", 1), ("halving", 0)):
        if getattr(settings, name) < least:
            raise UserError(f"--{name} {getattr(settings, name)} must be at least {least}")
    if settings.halving == 1:
        raise UserError("--halving 1 would keep every trial; give 2 or more, or leave it out")
    found = search(settings, load_suite(settings.suite))
    found.sort(key=lambda pair: (-len(pair[1]), pair[1][-1]))
    names = list(found[0][0])
    rows = [
        [*(str(drawn[name]) for name in names), str(len(losses)), f"{losses[-1]:.4f}"] for drawn, losses in found
    ]
    print(as_text([*names, "budgets", "held-out loss"], rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
