"""The comparison of two commits finds what differs, and its cases leave no objective and no strategy out."""

import csv
import json
import subprocess
from dataclasses import is_dataclass
from typing import get_args, get_type_hints

import pytest

from experiments.studies import behaviour
from experiments.studies.behaviour_cases import CASES, RENAMED, Case, write_pairs
from system.options import dotted_names
from training.config import OBJECTIVES
from training.strategies.config import StrategiesConfig


@pytest.fixture
def toy_study(toy_repository, monkeypatch):
    """The command for the toy repository, with cases of its own."""
    cases = {"plain": Case(""), "other": Case("--checkpoint"), "resume": Case("--checkpoint --slow", killed_at=2),
             "prompt": Case("", prompt="x"), "far": Case("", needs=("no such corpus",))}  # fmt: skip
    monkeypatch.setattr(behaviour, "CASES", cases)
    monkeypatch.setattr(behaviour, "SPEEDS", {"fast": "", "readable": ""})
    monkeypatch.setattr(behaviour, "ROOT", toy_repository.root)
    return toy_repository


def test_one_code_equals_itself_and_its_tree_is_removed(toy_study, capsys, tmp_path):
    asked = ["HEAD", "--only", "plain", "other", "far", "--jobs", "2", "--json", str(tmp_path / "rows.json")]
    assert behaviour.main(asked) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("case   speed     answer\n-----  --------  ------")
    assert "5 cases" not in shown and "6 cases against HEAD: none differ" in shown
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["answer"] for row in rows[:4]] == ["equal"] * 4
    assert rows[4]["answer"].startswith("not run: no such corpus is not there; run `python -m data fetch")
    assert len(toy_study.git("worktree", "list").splitlines()) == 1


def test_a_difference_is_named_and_ends_with_status_one(toy_study, capsys):
    toy_study.change("FACTOR = 1.0", "FACTOR = 1.000001")
    assert behaviour.main(["HEAD", "--only", "plain", "far"]) == 1
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["plain", "fast", "training step 1: loss 1.000001 instead of 1.0 (+1.0e-06)"]
    assert lines[3][:2] == ["plain", "readable"] and lines[3][2].startswith("equal to 1e-06")
    assert " ".join(lines[-1]) == "4 cases against HEAD: 1 differ"


def test_a_tree_that_fails_differs(toy_study, capsys):
    toy_study.change("FACTOR", "ANOTHER")
    assert behaviour.main(["HEAD", "--only", "plain"]) == 1
    assert "train.py of this tree ended with status 1: AttributeError" in capsys.readouterr().out


def test_a_run_that_was_killed_goes_on_and_a_prompt_is_answered(toy_study, capsys):
    toy_study.root.joinpath("eval.py").write_text("if __name__ == '__main__': print('code')")
    toy_study.git("commit", "-q", "-a", "-m", "eval")
    assert behaviour.main(["HEAD", "--only", "resume", "prompt"]) == 0
    toy_study.root.joinpath("eval.py").write_text("if __name__ == '__main__': print('other code')")
    toy_study.change("FACTOR = 1.0", "FACTOR = 3.0")
    capsys.readouterr()
    assert behaviour.main(["HEAD", "--only", "resume", "prompt"]) == 1
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["resume", "fast", "training step 3: loss 1.0 instead of 0.3333333333333333 (+6.7e-01)"]
    assert lines[3] == ["prompt", "fast", "the prompt's code: 'other code' instead of 'code'"]


def test_an_unknown_case_is_refused_before_any_work():
    with pytest.raises(behaviour.UserError, match="--only 'everything' is no case; choose among quick start"):
        behaviour.main(["HEAD", "--only", "everything"])


def test_of_an_option_that_stands_twice_the_later_values_count():
    assert behaviour.merged("files --a 1 2 --b --a 3".split()) == {"": ["files"], "--a": ["3"], "--b": []}


def test_the_earlier_name_is_given_only_where_todays_is_unknown():
    assert behaviour.old_spelling("--strategies.lora.rank", {"--seed"}) == f"--{RENAMED['strategies.lora.rank']}"
    assert behaviour.old_spelling("--strategies.lora.rank", {"--strategies.lora.rank"}) == "--strategies.lora.rank"
    assert behaviour.old_spelling("--seed", {"--seed"}) == "--seed"


def test_every_objective_and_every_choice_of_a_strategy_has_a_case():
    options = " ".join(f"{case.options} {case.before}" for case in CASES.values())
    assert not [name for name in OBJECTIVES if f".objectives.{name} 1" not in options]
    choices = {
        f"--strategies.{group}.{name} {value}"
        for group, settings in vars(StrategiesConfig()).items() if is_dataclass(settings)
        for name, kind in get_type_hints(type(settings)).items() for value in get_args(kind)
        if isinstance(value, str) and value != "none"
    }  # fmt: skip
    assert len(choices) >= 7 and not [choice for choice in choices if choice not in options]
    of_no_effect_alone = {
        "auxiliary.weight", "tasks.temperature", "adversary.epsilon", "adversary.ascents", "adversary.ascent_rate",
        "meta.inner_rate", "meta.inner_steps", "teacher.temperature", "lora.alpha",
    }  # fmt: skip
    names = {*dotted_names(StrategiesConfig())} - of_no_effect_alone
    assert not [name for name in names if f"--strategies.{name}" not in options]


def test_the_made_up_pairs_are_different_and_share_words(tmp_path):
    write_pairs(tmp_path / "pairs.csv")
    rows = list(csv.DictReader((tmp_path / "pairs.csv").open(encoding="utf-8")))
    assert len({row["natural_language_description"] for row in rows}) == len(rows) == 96
    for row in rows:
        compile(row["code"], "pair", "exec")
        assert {*row["natural_language_description"].split()} & {*row["code"].split()}


@pytest.mark.slow
def test_this_commit_equals_itself(capsys):
    git = ["git", "status", "--porcelain", "model", "data", "training", "train.py"]
    if (changed := subprocess.run(git, cwd=behaviour.ROOT, capture_output=True)).returncode or changed.stdout:
        pytest.skip("this tree is no commit's")
    assert behaviour.main(["HEAD", "--only", "FGM", "pretraining: span", "resume: LoRA"]) == 0, capsys.readouterr().out
