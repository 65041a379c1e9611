"""The suites that there are, a suite over every setting, and that claims were stated before they were tested."""

import json
import subprocess
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import pytest

import train
from data.config import DataConfig
from experiments.laboratory import plan as plan_module
from experiments.laboratory.analysis import analyse
from experiments.laboratory.claims import Claim
from experiments.laboratory.plan import as_options, make_plan, make_trial
from experiments.laboratory.suite import BASE_ROW, CONTROL, Suite, definition, load_suite, names, rows_of, seeds_of
from experiments.record.compact_lines import short_hash
from experiments.record.lines import read_suite
from experiments.record.measurement import ROOT
from experiments.record.records import runs
from experiments.suites.base import BASE as SETTINGS
from model.config import ModelConfig
from training.command_line import read_training_command
from training.command_line import setting as setting_of
from training.config import LoopConfig, ObjectivesConfig
from training.recipes import RECIPES
from training.run import old_settings

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
    options = make_trial(Suite("base", "x", SETTINGS), BASE_ROW, 1).options
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
    hashes = {trial.request_hash for trial in plan.trials if trial.row != CONTROL}  # which is one of the factors' rows
    assert len(hashes) == len(rows) - 1, "every row must be another run"
    for row, reason in plan.refused.items():
        assert row.partition("=")[0].rpartition(".")[2] in reason.replace("_", " ").replace(" ", "_"), (row, reason)
    assert len(plan.refused) <= 9 < 60 <= len(rows)


def test_settings_become_options():
    changes = {"corpus": "django", "model.causal": False, "model.copy_head": True, "training.steps": 5,
               "data.packages": ("a", "b")}  # fmt: skip
    assert as_options(changes) == [
        "django", "--model.no_causal", "--model.copy_head", "--training.steps=5", "--data.packages", "a", "b"
    ]  # fmt: skip


def test_the_same_run_is_known_by_its_settings_whatever_its_row_is_called():
    first = Suite("one", "x", SETTINGS, rows={"wide": {"model.d_ff": 1024}})
    second = Suite("two", "x", {**SETTINGS, "model.d_ff": 1024})
    rows = ((first, "wide"), (second, BASE_ROW), (first, BASE_ROW))
    wide, same, base = (make_trial(suite, row, 3).request_hash for suite, row in rows)
    assert wide == same != base


LARGE = {"pretraining", "strategies"}  # suites whose rows take a quarter of a minute to read


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in names()]
)
def test_a_suite_can_be_run_and_has_its_controls(name):
    suite = load_suite(name)
    plan = make_plan(suite, [], ())
    rows = rows_of(suite)
    assert suite.name == name and not plan.refused
    assert CONTROL in rows and len(seeds_of(suite, BASE_ROW)) == 10
    per_row = len(suite.tuned and next(iter(suite.tuned.values())))
    assert len(plan.trials) == (per_row * len(rows) if per_row else sum(len(seeds_of(suite, row)) for row in rows))


def test_no_two_claims_have_the_same_id():
    ids = [claim.id for name in names() for claim in load_suite(name).claims]
    assert len(ids) == len(set(ids)) >= 8


@pytest.mark.parametrize("name", ["strategies", "strategies_meta"])
def test_strategies_were_compared_at_equal_cost(name):
    suite = load_suite(name)
    lines = analyse(suite, read_suite(ROOT / "docs" / "results", name)).lines
    spent = {row: {line.seed: line.budget["training_flops"] for line in of_row} for row, of_row in lines.items()}
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


def claims_with_lines(name: str) -> list[Claim]:
    """The claims of a suite about rows that have result lines, as they are defined now."""
    suite = load_suite(name)
    made = runs(read_suite(ROOT / "docs" / "results", name))
    rows = {(line.row, line.trial.definition) for line in made if line.trial}
    return [claim for claim in suite.claims if (claim.row, definition(suite, claim.row)) in rows]


@pytest.mark.parametrize("name", [name for name in names() if claims_with_lines(name)])
def test_claims_were_stated_before_their_first_result(name):
    try:
        if git("rev-parse", "--is-shallow-repository") == "true":
            pytest.skip("a shallow clone does not know the order of its commits")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, or not in a clone")
    for claim in claims_with_lines(name):
        commit = first_commit_of(name, claim.row)
        assert commit, f"{claim.id} has result lines and no commit has them: the suite means something else now"
        before: dict[str, Any] = {}
        exec(git("show", f"{commit}^:experiments/suites/{name}.py"), before)
        assert claim in before["CLAIMS"], f"{claim.id} was not stated, or not so, before its first result"


@pytest.mark.parametrize("name", names())
def test_a_recipe_that_changes_changes_no_suite(name, monkeypatch):
    suite = load_suite(name)
    tuned = {setting: values[0] for setting, values in suite.tuned.items()}
    before = [make_trial(suite, row, 1, tuned).request_hash for row in rows_of(suite)]
    other = LoopConfig(steps=7, learning_rate=0.7, ema_decay=0.7, label_smoothing=0.7, patience=7)
    for recipe in ("generated", "django", "chapter-3.3"):
        changed = replace(RECIPES[recipe], training=other, pretraining=other, data=DataConfig(vocab_size=777))
        monkeypatch.setitem(RECIPES, recipe, changed)
    assert [make_trial(suite, row, 1, tuned).request_hash for row in rows_of(suite)] == before


def test_a_new_name_of_a_setting_keeps_a_rows_lines(monkeypatch):
    written_then = {"model.drop" if name == "model.dropout" else name: value for name, value in SETTINGS.items()}
    then = short_hash({"base": written_then, "changes": {"model.drop": 0.5}, "tuned": {}})
    monkeypatch.setattr(old_settings, "SETTING_CHANGES", (old_settings.Change(0, "model.drop", "model.dropout"),))
    suite = Suite("renamed", "A setting with a new name", SETTINGS, factors={"model.dropout": (0.5,)})
    assert definition(suite, "model.drop=0.5") == then  # lines keep the name of their row too
    assert "--model.dropout=0.5" in make_trial(suite, "model.drop=0.5", 1).options


def test_a_new_setting_at_its_default_is_no_other_run(monkeypatch):
    suite = Suite("tiny", "Tiny", SETTINGS)
    before = make_trial(suite, BASE_ROW, 1).request_hash
    written = plan_module.to_dict
    monkeypatch.setattr(plan_module, "to_dict", lambda settings: written(settings) | {"brand_new": {"setting": 3}})
    assert make_trial(suite, BASE_ROW, 1).request_hash == before


def test_what_has_no_effect_is_no_other_run():
    base = make_trial(Suite("tiny", "Tiny", SETTINGS), BASE_ROW, 1).request_hash
    idle = {"pretraining.learning_rate": 0.5, "pretraining.objectives.mlm": 0.5, "training.epochs": 3.0}
    assert make_trial(Suite("tiny", "Tiny", {**SETTINGS, **idle}), BASE_ROW, 1).request_hash == base
    other = Suite("tiny", "Tiny", {**SETTINGS, "training.learning_rate": 0.5})
    assert make_trial(other, BASE_ROW, 1).request_hash != base
