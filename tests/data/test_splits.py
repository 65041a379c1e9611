"""What a run trains on, holds out, and is scored on."""

import json

from data.config import DataConfig
from data.splits import read_splits


def write(path, numbers):
    path.write_text("".join(json.dumps({"nl": f"add {n}", "code": f"x + {n}"}) + "\n" for n in numbers))


def read(folder, **settings):
    return read_splits("files", DataConfig(path=str(folder), **settings), 0)


def test_training_and_held_out_examples_make_up_the_published_part(tmp_path):
    write(tmp_path / "train.jsonl", range(50))
    write(tmp_path / "test.jsonl", range(100, 103))
    splits = read(tmp_path, held_out=5)
    assert len(splits.held_out) == 5
    assert sorted(e.nl for e in splits.train + splits.held_out) == sorted(e.nl for e in splits.published)
    assert [e.nl for e in splits.tests["test"]] == ["add 100", "add 101", "add 102"]


def test_a_limit_changes_what_is_trained_on_and_not_what_counts_as_a_duplicate(tmp_path):
    write(tmp_path / "train.jsonl", range(50))
    write(tmp_path / "test.jsonl", [7])
    splits = read(tmp_path, train_limit=3)
    assert (len(splits.train), len(splits.published)) == (3, 50)


def test_without_another_split_what_is_held_out_is_scored_and_is_no_duplicate(tmp_path):
    write(tmp_path / "train.jsonl", range(50))
    splits = read(tmp_path, held_out=5)
    assert list(splits.tests) == ["held_out"] and splits.tests["held_out"] == splits.held_out
    assert not {e.nl for e in splits.published} & {e.nl for e in splits.held_out}


def test_the_same_pairs_are_held_out_however_they_are_seen(tmp_path):
    write(tmp_path / "train.jsonl", range(50))
    write(tmp_path / "test.jsonl", [7])
    plain, turned = read(tmp_path, held_out=5), read(tmp_path, held_out=5, reverse=True, prefix="describe: ")
    ids = [[example.id for example in splits.held_out] for splits in (plain, turned)]
    assert ids[0] == ids[1] and len(ids[0]) == 5
    assert turned.held_out[0].nl == "describe: " + plain.held_out[0].code
    (scored,) = turned.tests["test"]
    assert (scored.nl, scored.code) == ("describe: x + 7", "add 7") and scored.nl in {e.nl for e in turned.published}


def test_a_corpus_without_a_training_part_can_be_scored_alone(tmp_path):
    write(tmp_path / "test.jsonl", range(3))
    splits = read(tmp_path)
    assert splits.train == [] and len(list(splits.tests["test"])) == 3
