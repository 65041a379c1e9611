"""What is odd about data is said in one line each, with how many and the first place."""

import json

import pytest

from data.config import DataConfig
from data.oddities import oddities, too_long
from data.splits import read_splits
from data.tokenizers.tokenizer import train_tokenizer


def rows_in(path, rows):
    path.write_text("".join(json.dumps({"nl": nl, "code": code}) + "\n" for nl, code in rows), encoding="utf-8")


def rows(first, end, code="x + {}"):
    return [(f"add {i}", code.format(i)) for i in range(first, end)]


def said(folder, language="python", **settings):
    data = DataConfig(path=str(folder), language=language, **settings)
    splits = read_splits("files", data, 1)
    return oddities(splits, {split: list(examples) for split, examples in splits.tests.items()}, data)


def test_nothing_is_said_of_data_that_are_as_they_should_be(tmp_path):
    rows_in(tmp_path / "train.jsonl", rows(0, 40))
    rows_in(tmp_path / "test.jsonl", rows(40, 50))
    assert said(tmp_path) == []


@pytest.mark.parametrize("split", ["dev", "test"])
def test_pairs_that_stand_in_training_are_counted(tmp_path, split):
    rows_in(tmp_path / "train.jsonl", rows(0, 40))
    rows_in(tmp_path / f"{split}.jsonl", [("add  3", " x +   3"), *rows(50, 60)])
    some = "1 of 11 pairs stand in training too; exact match is given without them as well"
    assert said(tmp_path) == [f"{split}: {some}"]
    rows_in(tmp_path / f"{split}.jsonl", rows(0, 10))
    (line,) = said(tmp_path)
    assert line.startswith(f"{split}: all 10 pairs stand in training too") and "learnt by heart" in line


def test_codes_without_tokens_are_counted_where_they_stand(tmp_path):
    rows_in(tmp_path / "train.jsonl", [*rows(0, 7), ("red", "#ff0000"), ("why", "# because\n# of it")])
    rows_in(tmp_path / "test.jsonl", [("blue", "x"), ("nothing", ""), ("blank", " ")])
    training, test = said(tmp_path, held_out=0)
    assert training.startswith("train: 2 of 9 codes have no token of python (first: train.jsonl:8)")
    assert "--data.language" in training
    assert test.startswith("test: 2 of 3 codes have no token of python (first: test.jsonl:2): they are empty")
    assert [line[:4] for line in said(tmp_path, "text", held_out=0)] == ["test"]


def test_what_is_held_out_may_have_no_tokens_either(tmp_path):
    rows_in(tmp_path / "train.jsonl", rows(0, 50, "#00{}"))
    training, held_out = said(tmp_path)
    assert "train: 45 of 45" in training and "held_out: 5 of 5" in held_out


@pytest.mark.parametrize(("pairs", "words"), [
    (rows(0, 1) * 50, ["one pair and its copies", "every one has more copies than a tenth"]),
    (rows(0, 4) * 10, ["4 different pairs and their copies", "every one has more copies than a tenth"]),
    (rows(0, 9), ["of fewer than 10"]),
    (rows(0, 20) * 2, ["20 different pairs"]),
])
def test_too_few_different_pairs_are_said(tmp_path, pairs, words):
    rows_in(tmp_path / "train.jsonl", pairs)
    lines = said(tmp_path)
    assert len(lines) == len(words) and all(word in line for word, line in zip(words, lines))
    assert all("no scores" in line for line in lines if "held out" in line)
    rows_in(tmp_path / "test.jsonl", rows(60, 70))
    assert all("no held-out loss" in line and "no scores" not in line for line in said(tmp_path) if "held out" in line)
    assert not any("held out" in line for line in said(tmp_path, held_out=0))


def test_what_is_too_long_to_be_scored_is_counted_split_by_split(tmp_path):
    rows_in(tmp_path / "train.jsonl", rows(0, 40))
    long = [("add " * 30, "y"), ("add 2", "y + " * 30), ("add 3 " * 30, "z" * 90)]
    rows_in(tmp_path / "test.jsonl", [("add 1", "y"), *long])
    data = DataConfig(path=str(tmp_path), language="python", max_source_length=20)
    examples = {split: list(part) for split, part in read_splits("files", data, 1).tests.items()}
    tokenizer = train_tokenizer(["add 1 2 3", "x + y z"], 400)
    sources, targets = too_long(examples, tokenizer, data, 25)
    assert sources == "test: 2 of 4 descriptions are cut to data.max_source_length=20 tokens (first: test.jsonl:2)"
    assert targets.startswith("test: 2 of 4 codes are longer than evaluation.max_new_tokens=25")
    assert targets.endswith("(first: test.jsonl:3)")


@pytest.mark.parametrize(("pair", "words"), [
    (("nan", "x"), "nan or"), (("\\N", "x"), "nan or"), (("a", "NaN"), "nan or"), (("a b", "x\0y"), "NULs"),
    (("\0", "x"), "NULs"), (("#N/A ", "x"), "nan or"),
])
def test_texts_that_are_hardly_meant_are_counted_where_they_stand(tmp_path, pair, words):
    rows_in(tmp_path / "train.jsonl", [*rows(0, 30), pair, *rows(40, 50, "banana + nan{}"), pair])
    (line,) = said(tmp_path, held_out=0)
    assert line.startswith("train: 2 of 42 pairs") and words in line and "(first: train.jsonl:31)" in line
