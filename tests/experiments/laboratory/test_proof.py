"""Which runs a proof makes, where it looks for the older code, and what it says."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from filelock import FileLock
from safetensors.torch import save_file

from experiments.laboratory import proof
from experiments.laboratory.proof import (
    Trees,
    compare_writing,
    facts_of,
    line_of_proof,
    provable_lines,
    provable_of_suite,
    prove,
)
from experiments.laboratory.provable import Provable, Sample
from experiments.laboratory.suite import Suite
from experiments.record.records import CodeVerdict, Measured
from experiments.record.tree_runs import Command
from experiments.record.trees import Computed, Starter, Tree, tree_of
from system.errors import UserError

SUITE = Suite("tiny", "Tiny", {"training.steps": 10}, rows={"wide": {"model.d_ff": 32}, "deep": {"model.d_ff": 64}})
COMPUTED = Computed({("training", 1, "loss"): 1.0, ("training", 2, "loss"): 0.5}, {}, {})


def provable(code="old", commits=("HEAD",), now="new", samples=(Sample("base"),), options=()):
    """Lines of a code whose runs have the code `now` in every tree."""
    return Provable(
        "tiny", code, commits, samples, lambda tree: [Command(options) for _ in samples], lambda *_: now
    )


@pytest.fixture
def in_toy_repository(monkeypatch, toy_repository):
    """Proofs are made of the toy's trees."""
    monkeypatch.setattr(proof, "ROOT", toy_repository.root)
    monkeypatch.setattr(proof, "tree_of", lambda commit, place: tree_of(commit, place, toy_repository.root))
    return toy_repository


def code_by_comment(tree: Tree) -> str:
    """The code of a toy's tree: new where its loop has a comment."""
    return "new" if "#" in (tree.root / "inner" / "loop.py").read_text() else "old"


def counted(run, made: list, stopped_at: int = 0):
    """`Starter.run` that counts what it has run, and is interrupted before one of them."""

    def counting(self, tree, program, words):
        if len(made) + 1 == stopped_at:
            raise KeyboardInterrupt
        made.append(words)
        return run(self, tree, program, words)

    return counting


def test_equal_bits_let_the_older_lines_in_and_others_do_not():
    facts = [facts_of(Sample("base", 1), COMPUTED)]
    scorers = [{"row": "base", "predictions": 300, "figures": 9, "difference": ""}]
    said = line_of_proof(provable(), "new", "0123456789", facts, scorers, "")
    assert (said["accepts"], said["for"]) == ("old", "new") and said["scorers"] == scorers
    assert "base (2 steps)" in said["reason"] and "scores of 300 given predictions" in said["reason"]
    parted = "base, seed 1: training step 2: loss 1 instead of 2"
    said = line_of_proof(provable(), "new", "0123456789", facts, scorers, parted)
    assert said["rejects"] == "old" and "accepts" not in said and "training step 2" in said["reason"]
    assert said["reason"].endswith("300 given predictions, a third of them spoilt, are equal in every bit")
    other = [{**scorers[0], "difference": "dev.bleu.value 1 instead of 2"}]
    assert "are equal" not in line_of_proof(provable(), "new", "0123456789", facts, other, parted)["reason"]


def test_lines_of_todays_code_need_no_proof_nor_do_those_that_one_speaks_of(toy_libraries, tmp_path):
    assert provable_of_suite(SUITE, "tiny", []) == []
    assert list(prove([provable("new")], [], tmp_path / "proofs")) == []
    about = {"suite": "tiny", "row": "code counts", "command": "c", "newer": "new", "reason": "equal"}
    said = [CodeVerdict(accepts="older", **about), CodeVerdict(rejects="oldest", **about)]
    assert list(prove([provable("older"), provable("oldest")], said, tmp_path / "proofs")) == []


def test_code_that_no_commit_has_is_said(in_toy_repository, tmp_path):
    parts = [provable("older"), provable(commits=(in_toy_repository.commit,))]
    with pytest.raises(UserError, match="code older: no commit .*; code old: no commit of 1 around the lines of tiny"):
        list(prove(parts, [], tmp_path / "proofs"))


def test_where_bits_part_the_scorers_are_compared_all_the_same_and_no_further_run_is_made(
    in_toy_repository, tmp_path, monkeypatch
):
    of_old = provable(samples=(Sample("base", scored=True), Sample("wide"), Sample("bash", scored=True)))
    of_old = replace(of_old, code_in=lambda starter, tree, folder: code_by_comment(tree))
    in_toy_repository.change("FACTOR = 1.0", "FACTOR = 2.0  # the double")
    scored = {"predictions": 3, "figures": 1, "difference": ""}
    monkeypatch.setattr(proof, "compare_scorers", lambda trees, part, sample, number: {"row": sample.row, **scored})
    (line,) = prove([of_old], [], tmp_path / "proofs")
    assert line["rejects"] == "old" and "base, seed 0: training step 1: loss 2.0 instead of 1.0" in line["reason"]
    assert [run["row"] for run in line["runs"]] == [one["row"] for one in line["scorers"]] == ["base", "bash"]


def test_networks_of_a_benchmark_write_together_and_the_first_other_line_is_said(tmp_path, monkeypatch):
    samples = (Sample("django, second", benchmark="django"), Sample("django, first", benchmark="django"),
               Sample("nl2bash, tuned", benchmark="nl2bash"))  # fmt: skip
    trees = Trees(None, Tree(tmp_path, tmp_path, "old"), Tree(tmp_path, tmp_path), tmp_path)
    commands = [Command((), scoring=("--ensemble", "{second}")), Command((), scoring=("--ensemble", "{second}"))]
    asked, written = [], {"there": "pass", "here": "pass"}

    def eval_in_copy(starter, tree, run, folder, options):
        asked.append((run, options))
        side = folder.name.split("-")[1]
        folder.mkdir(exist_ok=True)
        (folder / "metrics.jsonl").touch()
        save_file({}, folder / "model.safetensors")
        line = {"split": "dev", "id": "1", "prediction": written[side]}
        (folder / "predictions.jsonl").write_text(json.dumps(line) + "\n")

    monkeypatch.setattr(proof, "eval_in_copy", eval_in_copy)
    part = provable(samples=samples)
    assert compare_writing(trees, part, commands, 1) == ""
    second = str(tmp_path / "here-0" / "run")
    assert asked[1] == (tmp_path / "here-1" / "run", ["--ensemble", second, "--limit", "20"])
    written["here"] = "return"
    assert compare_writing(trees, part, commands, 1) == "dev 1: prediction 'return' instead of 'pass'"


def test_two_processes_do_not_prove_in_one_folder(tmp_path):
    (tmp_path / "proofs").mkdir()
    with FileLock(tmp_path / "proofs" / "lock"), pytest.raises(UserError, match="another process proves in"):
        list(prove([provable()], [], tmp_path / "proofs"))


def test_figures_that_are_no_runs_cannot_be_proved():
    figure = Measured(suite="speed", row="training", command="c", machine="m", value=1.0, unit="s", code_hash="old")
    with pytest.raises(UserError, match="the lines of speed are measured figures, no runs"):
        provable_lines("speed", [figure], run_untrusted=False)


def test_of_all_benchmarks_the_shortest_alone_is_run_whole_and_it_comes_last():
    about = {"suite": "benchmarks", "command": "c", "machine": "m", "value": 1.0, "unit": "%"}
    lines = [
        Measured(row=f"{name}, dev, exact", code_hash=code, minutes=minutes, **about)
        for name, code, minutes in (("hearthstone", "a", 28.0), ("django", "b", 87.0))
    ]
    parts = provable_lines("benchmarks", lines, run_untrusted=False)
    assert [part.code for part in parts] == ["b", "a"]
    assert [sum(sample.whole for sample in part.samples) for part in parts] == [0, 1]


def test_a_proof_that_was_stopped_goes_on_with_the_runs_that_were_made(in_toy_repository, tmp_path, monkeypatch):
    of_old = provable(samples=(Sample("base"), Sample("wide"), Sample("base", whole=True)))
    of_old = replace(of_old, code_in=lambda starter, tree, folder: code_by_comment(tree))
    in_toy_repository.change("FACTOR = 1.0", "FACTOR = 1.0  # another comment")
    made = []
    run = Starter.run
    monkeypatch.setattr(Starter, "run", counted(run, made, stopped_at=4))
    with pytest.raises(KeyboardInterrupt):
        list(prove([of_old], [], tmp_path / "proofs"))
    monkeypatch.setattr(Starter, "run", counted(run, made))
    (line,) = prove([of_old], [], tmp_path / "proofs")
    assert line["accepts"] == "old" and [run["row"] for run in line["runs"]] == ["base", "wide", "base"]
    assert len(made) == 2 * 3 and not (tmp_path / "proofs").exists()


@pytest.mark.slow
def test_code_that_computes_the_same_bits_is_let_in_and_other_code_is_not(tiny_suite, tmp_path):
    clone, norm = tmp_path / "clone", tmp_path / "clone" / "model" / "normalization.py"
    subprocess.run(["git", "clone", "--quiet", str(proof.ROOT), str(clone)], check=True)
    metrics = clone / "evaluation" / "metrics.py"
    text_of_metrics = metrics.read_text()
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
    metrics.write_text(metrics.read_text().replace("BLEU(force=True)", 'BLEU(force=True, smooth_method="add-k")'))
    assert "computes other bits: " in (said := ablate("--prove")) and "scores of the same predictions: " in said
    metrics.write_text(text_of_metrics)
    norm.write_text(norm.read_text().replace("self.gain, self.epsilon)", "self.gain, 9 * self.epsilon)"))
    assert "computes other bits: " in ablate("--prove")
    said = ablate("--dry_run")
    assert "2 left" in said and "do not count beside runs of today's: code" in said and "instead of" in said
