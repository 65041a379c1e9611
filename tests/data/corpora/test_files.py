"""The user's own pairs: every form gives the same examples, and bad input gets one line."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import DataConfig
from data.sources import open_source
from system.errors import UserError

PAIRS = [("sort xs", "xs.sort()"), ('say "hi", then\tstop', 'print("hi")\nreturn'), ("l\u2028s \x0c \u00e9", "'\x85'")]


def files(path, **settings):
    return open_source("files", DataConfig(path=str(path), **settings), seed=1)


def pairs_of(source, split="train"):
    return [(example.nl, example.code) for example in source.splits()[split]]


def refusal(path, **settings):
    """The one line that reading everything ends with."""
    with pytest.raises(UserError) as error:
        for examples in files(path, **settings).splits().values():
            list(examples)
    assert "\n" not in str(error.value)
    return str(error.value)


def write(path, pairs, nl="nl", code="code"):
    """Pairs in the form that the file's ending says, written by the standard library."""
    records = [{"id": i, nl: n, code: c} for i, (n, c) in enumerate(pairs)]
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        elif path.suffix == ".json":
            json.dump(records, file, indent=2)
        else:
            writer = csv.DictWriter(file, ["id", nl, code], dialect="excel-tab" if path.suffix == ".tsv" else "excel")
            writer.writeheader()
            writer.writerows(records)
    return path


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
def test_every_form_gives_the_same_pairs(tmp_path, ending):
    path = write(tmp_path / f"pairs.{ending}", PAIRS)
    assert pairs_of(files(path)) == PAIRS
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert pairs_of(files(path)) == PAIRS


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1)] * 2), min_size=1))
@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
def test_any_text_survives(tmp_path_factory, ending, pairs):
    path = write(tmp_path_factory.mktemp("any") / f"pairs.{ending}", [("seed", "seed"), *pairs])
    kept = [pair for pair in pairs if all(side.strip() for side in pair)]
    assert pairs_of(files(path)) == [("seed", "seed"), *kept]


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
def test_columns_are_mapped(tmp_path, ending):
    names = {"nl": "natural_language_description", "code": "source"}
    path = write(tmp_path / f"pairs.{ending}", PAIRS, **names)
    assert pairs_of(files(path, **names)) == PAIRS
    line = refusal(path, code="code", nl=names["nl"])
    assert "no column 'code'" in line and "'source'" in line and "--data.code" in line


def test_the_language_is_the_users(tmp_path):
    path = write(tmp_path / "pairs.jsonl", PAIRS)
    assert {example.language for example in files(path, language="bash").splits()["train"]} == {"bash"}


@pytest.mark.parametrize("given_path", ["pairs", "pairs.nl", "pairs.code"])
def test_parallel_text_is_two_files_of_one_name(tmp_path, given_path):
    (tmp_path / "pairs.nl").write_text("one \ntwo\n", encoding="utf-8")
    (tmp_path / "pairs.code").write_text("  1\n2", encoding="utf-8")
    assert pairs_of(files(tmp_path / given_path)) == [("one", "1"), ("two", "2")]


def test_parallel_text_has_the_endings_of_the_columns(tmp_path):
    (tmp_path / "train.v1.in").write_text("one\n")
    (tmp_path / "train.v1.out").write_text("1\r\n")
    source = files(tmp_path / "train.v1", nl="in", code="out")
    assert [(e.place, e.nl, e.code) for e in source.splits()["train"]] == [("train.v1:1", "one", "1")]


def test_unicode_line_separators_end_no_line(tmp_path):
    (tmp_path / "pairs.nl").write_text("a\u2028b\x0cc\x85d\x1ce\n", encoding="utf-8")
    (tmp_path / "pairs.code").write_text("1\n")
    assert pairs_of(files(tmp_path / "pairs")) == [("a\u2028b\x0cc\x85d\x1ce", "1")]


def test_parallel_files_of_different_lengths_are_refused(tmp_path):
    (tmp_path / "pairs.nl").write_text("one\ntwo\n")
    (tmp_path / "pairs.code").write_text("1\n")
    line = refusal(tmp_path / "pairs")
    assert "pairs.nl has 2 lines" in line and "pairs.code has 1" in line


def test_half_of_a_parallel_text_is_refused(tmp_path):
    (tmp_path / "pairs.nl").write_text("one\n")
    assert "pairs.code does not exist" in refusal(tmp_path / "pairs.nl")


@pytest.mark.parametrize("dev", ["dev", "valid", "validation"])
def test_a_folder_holds_splits_in_any_form(tmp_path, dev):
    write(tmp_path / "train.jsonl", PAIRS)
    write(tmp_path / f"{dev}.csv", PAIRS[:1])
    (tmp_path / "test.nl").write_text("one\n")
    (tmp_path / "test.code").write_text("1\n")
    source = files(tmp_path)
    assert list(source.splits()) == ["train", "dev", "test"]
    assert [len(pairs_of(source, split)) for split in source.splits()] == [3, 1, 1]
    ids = [example.id for examples in source.splits().values() for example in examples]
    assert len(set(ids)) == len(ids)


def test_a_split_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path / "train.jsonl", PAIRS)
    write(tmp_path / "train.csv", PAIRS)
    assert "train.csv and" in refusal(tmp_path)


def test_a_folder_without_splits_is_refused(tmp_path):
    write(tmp_path / "pairs.jsonl", PAIRS)
    assert "no train, dev or test file" in refusal(tmp_path)


def test_a_path_is_needed():
    with pytest.raises(UserError, match="--data.path"):
        open_source("files", DataConfig(), seed=1)


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none", "none.txt"])
def test_a_missing_file_is_named(tmp_path, name):
    line = refusal(tmp_path / name)
    assert name in line and "does not exist" in line


def test_a_file_of_an_unknown_form_is_refused(tmp_path):
    (tmp_path / "pairs.txt").write_text("one\t1\n")
    assert "no known form" in refusal(tmp_path / "pairs.txt")


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
def test_an_empty_file_is_refused(tmp_path, ending):
    (tmp_path / f"pairs.{ending}").write_bytes(b"")
    assert f"pairs.{ending} is empty" in refusal(tmp_path / f"pairs.{ending}")


@pytest.mark.parametrize(("ending", "content"), [("json", "[]"), ("csv", "nl,code\n"), ("jsonl", "\n\n")])
def test_a_file_without_records_is_refused(tmp_path, ending, content):
    (tmp_path / f"pairs.{ending}").write_text(content)
    assert "no records" in refusal(tmp_path / f"pairs.{ending}")


GOOD = b'{"nl": "one", "code": "1"}'
BAD_LINES = {
    b'{"nl": "tw\xff", "code": "2"}': "not UTF-8",
    b'{"nl": "tw\\ud800", "code": "2"}': "not UTF-8",
    b'{"nl": "two", "co': "not JSON (cut in half?)",
    b'["two", "2"]': "not a JSON object",
    b'{"nl": " ", "code": "2"}': "empty description",
    b'{"nl": null, "code": "2"}': "empty description",
    b'{"nl": "two", "code": ""}': "empty code",
    b'{"nl": "two"}': "no column 'code'",
    b'{"nl": 2, "code": "2"}': "column 'nl' is not text",
    b"[" * 100_000: "not JSON (cut in half?)",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_a_bad_training_record_is_counted_and_skipped(tmp_path, line, reason):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n" + GOOD)
    source = files(path)
    assert [example.id for example in source.splits()["train"]] == ["train:1", "train:3"]
    assert pairs_of(source) == [("one", "1")] * 2  # a second pass counts nothing twice
    assert source.bad.counts == {reason: 1}
    assert source.bad.places == [f"{path}:2: {reason}"]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_a_bad_training_record_is_fatal_when_strict(tmp_path, line, reason):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n" + GOOD)
    assert f"{path}:2: {reason}" in refusal(path, strict=True)


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_evaluation_skips_nothing(tmp_path, line, reason):
    (tmp_path / "train.jsonl").write_bytes(GOOD)
    (tmp_path / "test.jsonl").write_bytes(GOOD + b"\n" + line + b"\n")
    source = files(tmp_path)
    if reason.startswith("empty"):
        assert len(pairs_of(source, "test")) == 2
    else:
        with pytest.raises(UserError, match="test.jsonl:2: "):
            list(source.splits()["test"])
    assert pairs_of(source) == [("one", "1")] and not source.bad.counts


def test_bad_rows_of_a_table_are_counted(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes(b'nl,code\none,1\n"two\nlines",2\nthr\xffee,3\nfour\n,5\nsix,"6" x\nseven,7\n"eight,8\n')
    source = files(path)
    assert pairs_of(source) == [("one", "1"), ("two\nlines", "2"), ("seven", "7")]
    assert [place.removeprefix(f"{path}:").split(":")[0] for place in source.bad.places] == ["5", "6", "7", "8", "10"]
    assert source.bad.counts["not UTF-8"] == source.bad.counts["empty description"] == 1


def test_bad_lines_of_parallel_text_are_counted(tmp_path):
    (tmp_path / "p.nl").write_bytes(b"one\ntw\xff\n\nfour\n")
    (tmp_path / "p.code").write_bytes(b"1\n2\n3\n\xfe\n")
    source = files(tmp_path / "p")
    assert pairs_of(source) == [("one", "1")]
    assert source.bad.counts == {"description is not UTF-8": 1, "empty description": 1, "code is not UTF-8": 1}


def test_a_file_in_which_nothing_is_usable_is_refused(tmp_path):
    (tmp_path / "pairs.jsonl").write_bytes("{}\n".encode("utf-16"))
    assert "none of its" in refusal(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('[\n {"nl": "a", "code": "b"},\n {"nl": "a", "co', ":3: not JSON"),
        ('[\n {"nl": "a", "code": "b"}\n', ":2: the list ends"),
        ('{"nl": "a", "code": "b"}', "does not begin with ["),
    ],
)
def test_broken_json_is_refused_with_its_line(tmp_path, content, place):
    (tmp_path / "pairs.json").write_text(content)
    assert place in refusal(tmp_path / "pairs.json")
