"""The suites that there are, a suite over every setting, and that claims were stated before they were tested."""

import json
import subprocess
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

import train
from experiments.laboratory.analysis import analyse
from experiments.laboratory.plan import make_plan, make_trial, words
from experiments.laboratory.suite import BASE, CONTROL, Suite, definition, load_suite, names, rows_of, seeds_of
from experiments.measurement import ROOT
from experiments.result_lines import read_suite
from experiments.suites.base import BASE as SETTINGS
from model.config import ModelConfig
from training.command_line import read_training_command
from training.command_line import setting as setting_of
from training.config import LoopConfig, ObjectivesConfig

CONFIGURATIONS = {"model": ModelConfig, "training": LoopConfig, "training.objectives": ObjectivesConfig}
NOT_FACTORS = {"model.preset", "model.vocab_size", "training.objectives"}  # start of others, the data's, a room


def another(value: Any, kind: Any) -> Any:
    """A value of the field's type that is not this one."""
    if choices := [choice for choice in get_args(kind) if isinstance(choice, str) and choice != value]:
        return choices[0]
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):  # the schedule
        return ("pairs:1-",)
    return value * 2 if value else type(value)(1) if isinstance(value, int) else 0.5


def every_factor() -> dict[str, tuple[Any, ...]]:
    """A value that is not the base's of every field."""
    options = make_trial(Suite("base", "x", SETTINGS), BASE, 1).options
    base = read_training_command(train.Settings, [*options, "--run=none"], "")[0]
    factors = {}
    for room, kind in CONFIGURATIONS.items():
        hints = get_type_hints(kind)
        for field in fields(kind):
            setting = f"{room}.{field.name}"
            if setting not in NOT_FACTORS:
                factors[setting] = (another(setting_of(base, setting), hints[field.name]),)
    return factors


def test_every_setting_is_a_factor():
    suite = Suite("all", "Every setting", SETTINGS, factors=every_factor())
    plan = make_plan(suite, [], (), seeds=1)
    rows = [trial.row for trial in plan.trials]
    assert {*rows, *plan.refused} == set(rows_of(suite))
    asked = {trial.asked for trial in plan.trials if trial.row != CONTROL}  # which is one of the factors' rows
    assert len(asked) == len(rows) - 1, "every row must be another run"
    for row, reason in plan.refused.items():
        assert row.partition("=")[0].rpartition(".")[2] in reason.replace("_", " ").replace(" ", "_"), (row, reason)
    assert len(plan.refused) <= 8 < 60 <= len(rows)


def test_settings_become_options():
    changes = {"corpus": "django", "model.causal": False, "model.copy_head": True, "training.steps": 5,
               "data.packages": ("a", "b")}  # fmt: skip
    assert words(changes) == [
        "django", "--model.no_causal", "--model.copy_head", "--training.steps=5", "--data.packages", "a", "b"
    ]  # fmt: skip


def test_the_same_run_is_known_by_its_settings_whatever_its_row_is_called():
    first = Suite("one", "x", SETTINGS, rows={"wide": {"model.d_ff": 1024}})
    second = Suite("two", "x", {**SETTINGS, "model.d_ff": 1024})
    assert make_trial(first, "wide", 3).asked == make_trial(second, BASE, 3).asked != make_trial(first, BASE, 3).asked


@pytest.mark.parametrize("name", names())
def test_a_suite_can_be_run_and_has_its_controls(name):
    suite = load_suite(name)
    plan = make_plan(suite, [], ())
    rows = rows_of(suite)
    assert suite.name == name and not plan.refused
    assert CONTROL in rows and len(seeds_of(suite, BASE)) == 10
    per_row = len(suite.tuned and next(iter(suite.tuned.values())))
    assert len(plan.trials) == (per_row * len(rows) if per_row else sum(len(seeds_of(suite, row)) for row in rows))


def test_no_two_claims_have_the_same_id():
    ids = [claim.id for name in names() for claim in load_suite(name).claims]
    assert len(ids) == len(set(ids)) >= 8


@pytest.mark.parametrize("name", ["strategies", "strategies_meta"])
def test_strategies_were_compared_at_equal_cost(name):
    suite = load_suite(name)
    lines = analyse(suite, read_suite(ROOT / "docs" / "results", name)).lines
    spent = {row: {line["seed"]: line["budget"]["training_flops"] for line in of_row} for row, of_row in lines.items()}
    for row in suite.rows:
        for seed, flops in spent[row].items():
            if (beside := spent[suite.against(row)].get(seed)) is not None:
                assert flops == pytest.approx(beside, rel=0.06), f"{row}, seed {seed}"


def git(*arguments: str) -> str:
    """What git says."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def first_commit_of(name: str, row: str) -> str | None:
    """The first commit in which the suite's file has a line of the row as it is defined now."""
    file, meant = f"docs/results/{name}.jsonl", definition(load_suite(name), row)
    for commit in git("log", "--reverse", "--format=%H", "--", file).splitlines():
        lines = map(json.loads, git("show", f"{commit}:{file}").splitlines())
        if any((line.get("row"), line.get("definition")) == (row, meant) for line in lines):
            return commit
    return None


@pytest.mark.parametrize("name", names())
def test_claims_were_stated_before_their_first_result(name):
    try:
        if git("rev-parse", "--is-shallow-repository") == "true":
            pytest.skip("a shallow clone does not know the order of its commits")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, or not in a clone")
    claims = load_suite(name).claims
    tested = [(claim, first_commit_of(name, claim.row)) for claim in claims]
    if not any(commit for _, commit in tested):
        pytest.skip("no claims, or no committed result lines yet")
    for claim, commit in tested:
        if commit is not None:
            before: dict[str, Any] = {}
            exec(git("show", f"{commit}^:experiments/suites/{name}.py"), before)
            assert claim in before["CLAIMS"], f"{claim.id} was not stated, or not so, before its first result"
