"""What a short run of a tree is, and where the folders stand that its options name."""

from pathlib import Path

import pytest

from experiments.record.tree_runs import Command, compute, shortened, value_of, with_folder, without
from experiments.record.trees import Starter, Tree


def test_a_short_run_keeps_a_phase_without_steps_empty():
    options = ["django", "--pretraining.steps=0", "--training.steps=2000", "--training.learning_rate=0.001"]
    assert shortened(options, 50) == [
        "django", "--pretraining.steps=0", "--training.learning_rate=0.001", "--training.steps=50",
        "--evaluation.limit=20",
    ]  # fmt: skip


@pytest.mark.parametrize("budget", [[], ["--training.epochs", "24"], ["--training.steps=9"]])
def test_a_budget_of_epochs_or_of_the_recipe_becomes_steps_too(budget):
    words = shortened(["django", *budget], 50)
    assert value_of(words, "--training.steps") == "50" and value_of(words, "--pretraining.steps") is None


def test_a_run_that_only_pretrains_is_given_no_training():
    options = ["nl2bash", "--pretraining.steps", "4700", "--training.steps", "0", "--training.epochs", "0"]
    words = shortened(options, 50)
    assert value_of(words, "--pretraining.steps") == "50" and value_of(words, "--training.steps") == "0"


@pytest.mark.parametrize("option", ["--strategies.teacher.run", "--strategies.teacher"])
def test_a_teachers_folder_stands_under_the_name_that_the_tree_has_for_it(option):
    words = with_folder(["django", f"{option}=large", "--seed=1"], "strategies.teacher.run", Path("runs/large"))
    assert words == ["django", "--seed=1", f"{option}=runs/large"]


def test_a_network_to_begin_with_is_an_option_that_the_run_did_not_have():
    assert with_folder(["django"], "init.from", Path("runs/net")) == ["django", "--init.from=runs/net"]


def test_an_option_is_taken_out_in_both_of_its_forms():
    assert without(["a", "--run", "x", "--run=y", "--runs", "z"], "--run") == ["a", "--runs", "z"]


def test_what_a_run_begins_with_is_made_first_in_few_steps(toy_libraries, toy_repository, tmp_path, monkeypatch):
    asked = []
    run = Starter.run
    monkeypatch.setattr(Starter, "run", lambda self, tree, program, words: asked.append(words) or run(
        self, tree, program, words
    ))  # fmt: skip
    network = Command(("--training.steps=8", "--untrained"))
    command = Command(("--training.steps=9", "--init.from", "{net}"), {"init.from": network})
    with Starter() as starter:
        compute(starter, Tree(toy_repository.root, tmp_path), command, 0, tmp_path / "whole")
    of_network, of_run = asked
    assert value_of(of_network, "--training.steps") == "50" and value_of(of_run, "--training.steps") == "9"
    assert value_of(of_run, "--init.from") == value_of(of_network, "--run")
