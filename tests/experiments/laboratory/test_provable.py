"""Which runs stand for the lines of a code, and how each tree spells them."""

from dataclasses import replace

import pytest

from experiments.laboratory import provable
from experiments.laboratory.plan import settings_of
from experiments.laboratory.provable import (
    Sample,
    commits_of,
    of_benchmarks,
    of_single_runs,
    options_then,
    options_today,
    samples_of,
)
from experiments.record.compact_lines import settings_that_count
from experiments.record.lines import read_suite
from experiments.record.records import Measured, ResultLine, runs
from experiments.record.trees import ROOT, Tree, TreeError
from system.errors import UserError
from training.run.old_settings import flat
from training.run.settings_file import to_dict


def lines_with(seconds: dict[str, float], commits=("a", "b", "b+changes"), corpora: dict[str, str] | None = None):
    """Three lines of each row."""
    return [
        ResultLine(
            suite="tiny", row=row, command="c", config={"corpus": (corpora or {}).get(row, "django")}, config_hash="c",
            code_hash="old", data_hash="d", seed=seed, threads=1, machine="m", versions={}, commit=commit,
            budget={"seconds": took}, scores={},
        )
        for row, took in seconds.items() for seed, commit in enumerate(commits, start=1)
    ]  # fmt: skip


def test_a_short_a_middle_and_a_long_row_are_run_shortly_and_then_the_shortest_whole():
    samples = samples_of(lines_with({"base": 30.0, "long": 90.0, "short": 10.0, "other": 40.0}))
    assert [one.row for one in samples] == ["short", "other", "long", "short"]
    assert [one.whole for one in samples] == [False, False, False, True]


def test_the_scorers_are_given_every_corpus_once():
    corpora = {"bash": "nl2bash", "more bash": "nl2bash"}
    samples = samples_of(lines_with({"a": 1.0, "bash": 2.0, "more bash": 3.0, "b": 4.0, "c": 5.0}, corpora=corpora))
    assert [one.row for one in samples if one.scored] == ["a", "bash"]


def test_a_code_of_one_row_has_that_row_alone():
    assert samples_of(lines_with({"base": 30.0})) == (
        Sample("base", 1, {}, scored=True), Sample("base", 1, {}, whole=True),
    )  # fmt: skip


def test_commits_that_made_most_lines_are_tried_first():
    assert commits_of(lines_with({"base": 1.0, "wide": 2.0})) == ("b", "a")


@pytest.mark.parametrize("name", ["django", "django_1000"])
def test_the_options_of_today_give_a_recorded_runs_settings(name):
    follow = {"preset", "model.vocab_size"}  # from other settings, or from the data
    for line in runs(read_suite(ROOT / "docs" / "results", name)):
        found, recorded = (
            {name: value for name, value in flat(settings).items() if name not in follow}
            for settings in (settings_that_count(to_dict(settings_of(options_today(line)))), line.config)
        )
        assert found == recorded


def test_an_older_tree_is_given_the_recorded_command_without_its_places(tmp_path):
    command = "python train.py django --data.path ../data --training.epochs 10 --run x --model.no_copy_head"
    line = replace(lines_with({"base": 1.0})[0], seed=0, command=command)
    assert options_then(line) == ("django", "--training.epochs", "10", "--model.no_copy_head")
    found = of_single_runs("django", "old", [line]).commands_in(Tree(tmp_path, tmp_path))
    assert [one.options for one in found] == [options_then(line)] * 2


def benchmark_line(row: str, minutes: float) -> Measured:
    """A figure of a benchmark."""
    return Measured(
        suite="benchmarks", row=row, command="c", machine="m", value=1.0, unit="%", commit="a", minutes=minutes
    )


def test_stages_of_benchmarks_are_each_trees_own(monkeypatch, tmp_path):
    stages = {"first": ["--seed", "1"], "second": [], "third": [], "reverse": ["--data.reverse"]}
    of_bash = {"pretrained": ["--training.steps", "0"], "tuned": ["--init.from", "{pretrained}"]}
    recipes = {
        "django": {"stages": stages, "scored": "first", "scoring": ["--ensemble", "{second}"]},
        "nl2bash": {"stages": of_bash, "scored": "tuned", "scoring": ["--beam", "4"]},
    }
    monkeypatch.setattr(provable, "ask", lambda tree, script: recipes)
    lines = [benchmark_line("django, dev, strict", 87.0), benchmark_line("nl2bash, test, exact", 66.0)]
    found = of_benchmarks("benchmarks", "old", lines, run_untrusted=False, whole=True)
    assert [one.row for one in found.samples] == [
        "nl2bash, tuned", "django, second", "django, third", "django, reverse", "django, first", "nl2bash, tuned",
    ]  # fmt: skip
    assert [one.row for one in found.samples if one.scored] == ["nl2bash, tuned", "django, first"]
    assert [one.whole for one in found.samples] == [False] * 5 + [True]
    tuned, *_, first, _ = found.commands_in(Tree(tmp_path, tmp_path))
    assert tuned.needs["init.from"].options == ("nl2bash", "--training.steps", "0") and not first.needs
    assert (tuned.scoring, first.scoring) == (("--beam", "4"), ("--ensemble", "{second}"))
    assert not tuned.needs["init.from"].scoring
    stages.pop("third")
    with pytest.raises(TreeError, match="the recipe of django at old has no stage third"):
        found.commands_in(Tree(tmp_path, tmp_path, "old"))


def test_a_benchmark_whose_scorers_run_programs_asks_for_the_users_word():
    lines = [benchmark_line("mbpp, test, tests passed", 29.0)]
    with pytest.raises(UserError, match="the scorers of mbpp run the corpus's programs"):
        of_benchmarks("benchmarks", "old", lines, run_untrusted=False)
    assert of_benchmarks("benchmarks", "old", lines, run_untrusted=True).scoring == ("--run_untrusted",)
