"""Which runs a proof makes, where it looks for the older code, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.laboratory import proof
from experiments.laboratory.proof import (
    Asked,
    commits_of,
    facts_of,
    line_of_proof,
    prove,
    rows_to_run,
    shortened,
    with_folder,
)
from experiments.laboratory.suite import Suite
from experiments.record.records import ResultLine, TrialMarks
from experiments.record.trees import Computed
from system.errors import UserError

SUITE = Suite("tiny", "Tiny", {"training.steps": 10}, rows={"wide": {"model.d_ff": 32}, "deep": {"model.d_ff": 64}})


def lines_with(seconds: dict[str, float], commits: tuple[str, ...] = ("a", "b", "b+changes")) -> list[ResultLine]:
    """Three lines of each row."""
    return [
        ResultLine(
            suite="tiny", row=row, command="c", config={}, config_hash="c", code_hash="c", data_hash="d", seed=seed,
            threads=1, machine="m", versions={}, commit=commit, budget={"seconds": took}, scores={},
            trial=TrialMarks(request_hash="r", definition="d"),
        )
        for row, took in seconds.items() for seed, commit in enumerate(commits, start=1)
    ]  # fmt: skip


def test_the_shortest_row_is_run_whole_and_two_more_shortly():
    asked = rows_to_run(lines_with({"base": 30.0, "long": 90.0, "short": 10.0, "other": 40.0}))
    assert asked[0] == Asked("short", 1, {}, whole=True)
    assert {one.row for one in asked[1:]} == {"long", "other"} and not any(one.whole for one in asked[1:])


def test_a_suite_of_one_row_has_one_whole_run():
    assert rows_to_run(lines_with({"base": 30.0})) == [Asked("base", 1, {}, whole=True)]


def test_commits_that_made_most_lines_are_tried_first():
    assert commits_of(lines_with({"base": 1.0, "wide": 2.0})) == ["b", "a"]


def test_a_short_run_keeps_a_phase_without_steps_empty():
    options = ["django", "--pretraining.steps=0", "--training.steps=2000", "--training.learning_rate=0.001"]
    words = ["django", "--pretraining.steps=0", "--training.steps=50", "--training.learning_rate=0.001"]
    assert shortened(options) == [*words, "--evaluation.limit=20"]


@pytest.mark.parametrize("option", ["--strategies.teacher.run", "--strategies.teacher"])
def test_a_teachers_folder_stands_under_the_name_that_the_tree_has_for_it(option):
    words = with_folder(["django", f"{option}=large", "--seed=1"], "strategies.teacher.run", Path("runs/large"))
    assert words == ["django", "--seed=1", f"{option}=runs/large"]


def test_a_network_to_begin_with_is_an_option_that_the_run_did_not_have():
    assert with_folder(["django"], "init.from", Path("runs/net")) == ["django", "--init.from=runs/net"]


def test_equal_bits_let_the_older_lines_in_and_others_do_not():
    computed = Computed({("training", 1, "loss"): 1.0, ("training", 2, "loss"): 0.5}, {}, {})
    facts = [facts_of(Asked("base", 1, {}, True), computed)]
    said = line_of_proof("tiny", "old", "new", "0123456789", facts, "")
    assert (said["accepts"], said["for"]) == ("old", "new") and "base (2 steps)" in said["reason"]
    parted = "base, seed 1: training step 2: loss 1 instead of 2"
    said = line_of_proof("tiny", "old", "new", "0123456789", facts, parted)
    assert said["rejects"] == "old" and "accepts" not in said and "training step 2" in said["reason"]


def test_lines_of_todays_code_need_no_proof():
    assert list(prove(SUITE, "tiny", [], "new")) == []


def test_code_that_no_commit_has_is_said(monkeypatch, tmp_path, toy_repository):
    monkeypatch.setattr(proof, "ROOT", toy_repository.root)
    monkeypatch.setattr(proof, "ask", lambda *_: {"code": "another"})
    monkeypatch.setattr(proof, "tree_of", lambda commit, place: proof_tree(place))
    with pytest.raises(UserError, match="no commit of 1 around the lines of tiny has code older"):
        proof.commit_of("older", "tiny", [toy_repository.commit], tmp_path, tmp_path)


class proof_tree:
    """A tree that is there already."""

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        return self.place

    def __exit__(self, *_):
        return None


@pytest.mark.slow
def test_code_that_computes_the_same_bits_is_let_in_and_other_code_is_not(tiny_suite, tmp_path):
    clone, norm = tmp_path / "clone", tmp_path / "clone" / "model" / "normalization.py"
    subprocess.run(["git", "clone", "--quiet", str(proof.ROOT), str(clone)], check=True)
    places = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]

    def ablate(*options: str) -> str:
        words = [sys.executable, "-m", "experiments.ablate", str(tiny_suite), "--seeds", "1", "--rows", "base", "wide"]
        variables = {name: value for name, value in os.environ.items() if name != "CI_STEPS"}
        done = subprocess.run(
            [*words, *places, *options], cwd=clone, env=variables | {"PYTHONPATH": str(clone)}, text=True,
            capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    ablate("--jobs", "2")
    norm.write_text(norm.read_text() + "\n\ndef unused():\n    return 1\n")
    assert "2 left" in ablate("--dry_run")
    said = ablate("--prove")
    assert "losses, weights and outputs of" in said and "are equal in every bit at commit" in said
    assert "2 runs done, 0 left" in ablate("--dry_run")
    norm.write_text(norm.read_text().replace("self.gain, self.epsilon)", "self.gain, 9 * self.epsilon)"))
    assert "computes other bits: " in ablate("--prove")
    said = ablate("--dry_run")
    assert "2 left" in said and "do not count beside runs of today's: code" in said and "instead of" in said
