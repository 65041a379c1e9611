"""The corpus of generated tasks: its splits, and a training split that is drawn once."""

import shutil
from dataclasses import replace

import pytest

import data.tasks.source
from data.config import DataConfig
from data.splits import read_splits
from data.tasks.source import GENERATOR, generated_source, untested_tasks
from data.tasks.tasks import generate

CONFIG = DataConfig(generated_train=200, generated_test=60, held_out=20)


@pytest.fixture
def draws(monkeypatch):
    """The (split, count, seed) of everything that is drawn."""
    asked = []

    def draw(*arguments):
        asked.append(arguments)
        return generate(*arguments)

    monkeypatch.setattr(data.tasks.source, "generate", draw)
    return asked


def test_the_source_offers_training_and_four_tests():
    source = generated_source(DataConfig(generated_train=30, generated_test=10), seed=0)
    splits = {name: list(examples) for name, examples in source.splits().items()}
    assert {name: len(examples) for name, examples in splits.items()} == {
        "train": 30, "in_distribution": 10, "compositional": 10, "longer": 10, "rephrased": 10,
    }  # fmt: skip
    assert all(example.tests for examples in splits.values() for example in examples)


@pytest.mark.parametrize("training_tests", [True, False])
def test_new_normalised_programs_are_marked_whatever_is_read_first(training_tests):
    source = generated_source(CONFIG, 0, training_tests)
    known = {e.meta["normalised"] for e in source.splits()["train"]}
    after = [e.meta["normalised_is_new"] for e in source.splits()["in_distribution"]]
    alone = list(generated_source(CONFIG, 0, training_tests).splits()["in_distribution"])
    assert [e.meta["normalised_is_new"] for e in alone] == after == [e.meta["normalised"] not in known for e in alone]
    assert set(after) == {True, False}


def test_remembered_tasks_are_the_drawn_ones_without_their_tests(cache, draws):
    drawn = [replace(example, tests=()) for example in generate("train", 200, 3)]
    assert untested_tasks("train", 200, 3) == drawn
    assert untested_tasks("train", 200, 3) == drawn
    assert draws == [("train", 200, 3, 0)]
    assert all(type(example.meta["ops"]) is tuple for example in untested_tasks("train", 200, 3))


def test_a_warm_cache_changes_nothing_that_is_trained_on_held_out_or_scored(cache, draws):
    cold, warm = (read_splits("generated", CONFIG, 1) for _ in range(2))
    tests = [{name: list(examples) for name, examples in splits.tests.items()} for splits in (cold, warm)]
    assert [split for split, *_ in draws].count("train") == 1
    assert (warm.train, warm.held_out, warm.published) == (cold.train, cold.held_out, cold.published)
    assert tests[0] == tests[1] and len(cold.held_out) == 20
    whole = {name: list(examples) for name, examples in generated_source(CONFIG, 1).splits().items()}
    assert cold.published == [replace(example, tests=()) for example in whole.pop("train")]
    assert tests[1] == whole


def test_another_number_or_seed_of_tasks_is_drawn_for_itself(cache, draws):
    wanted = [("train", 20, 0, 0), ("train", 21, 0, 0), ("train", 20, 1, 0), ("train", 20, 0, 10)]
    for _ in range(2):
        assert [len(untested_tasks(*asked)) for asked in wanted] == [20, 21, 20, 20]
    assert draws == wanted


@pytest.mark.parametrize("name", ["phrasing.py", "tasks.py", "on_lists.py"])
def test_a_changed_generator_draws_anew(cache, draws, tmp_path, monkeypatch, name):
    copy = shutil.copytree(GENERATOR, tmp_path / "generated")
    untested_tasks("train", 20, 0)
    monkeypatch.setattr(data.tasks.source, "GENERATOR", copy)
    untested_tasks("train", 20, 0)
    assert len(draws) == 1
    (copy / name).write_text((copy / name).read_text() + "\n")
    untested_tasks("train", 20, 0)
    assert len(draws) == 2


def test_damaged_tasks_are_drawn_again(cache, capsys):
    drawn = untested_tasks("train", 50, 0)
    (file,) = cache.rglob("*.json.gz")
    content = file.read_bytes()
    for damage in (content[:-9], content[:100] + b"\0" + content[101:]):
        file.write_bytes(damage)
        assert untested_tasks("train", 50, 0) == drawn
        assert "made again" in capsys.readouterr().err
