"""The user's own pairs: every form gives the same examples, and bad input gets one line."""

import csv
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.__main__ import main
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
    (tmp_path / "pairs.code").write_text("  1\n2\n", encoding="utf-8")
    assert pairs_of(files(tmp_path / given_path)) == [("one", "1"), ("two", "2")]


@pytest.mark.parametrize("ends", [("", ""), ("\n", "\n"), ("\n", ""), ("", "\n")])
def test_the_last_line_is_refused_where_one_of_two_parallel_files_is_cut(tmp_path, ends):
    (tmp_path / "pairs.nl").write_text("one\ntwo" + ends[0])
    (tmp_path / "pairs.code").write_text("1\n2" + ends[1])
    source = files(tmp_path / "pairs")
    assert len(pairs_of(source)) == 1 + (ends[0] == ends[1])
    assert sum(source.bad.counts.values()) == (ends[0] != ends[1])


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


@pytest.mark.parametrize("dev", ["dev", "valid", "validation", "val", "eval", "Dev", "VALID"])
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


@pytest.mark.parametrize("names", ["training.jsonl val.csv Test.CSV", "Train.JSONL EVAL.csv testing.tsv"])
def test_other_names_of_splits_are_read_and_said(tmp_path, names):
    for name in names.split():
        write(tmp_path / name.lower(), PAIRS)
        (tmp_path / name.lower()).rename(tmp_path / name)
    source = files(tmp_path)
    assert [len(pairs_of(source, split)) for split in ("train", "dev", "test")] == [3, 3, 3]
    assert len(source.bad.remarks) == 3 and all(name in " ".join(source.bad.remarks) for name in names.split())


def test_parallel_text_of_a_folder_may_have_other_names_too(tmp_path):
    write(tmp_path / "train.jsonl", PAIRS)
    (tmp_path / "Val.nl").write_text("one\n")
    (tmp_path / "Val.code").write_text("1\n")
    assert pairs_of(files(tmp_path), "dev") == [("one", "1")]
    (tmp_path / "Val.code").unlink()
    assert "Val.code does not exist" in refusal(tmp_path)


def test_what_a_folder_holds_beside_its_splits_is_named(tmp_path):
    write(tmp_path / "train.jsonl", PAIRS)
    for name in ("README.md", ".hidden", "LICENSE"):
        (tmp_path / name).write_text("x")
    assert not files(tmp_path).bad.remarks
    for name in ("test.parquet", "dev.jsonl.gz", "extra.csv"):
        (tmp_path / name).write_text("x")
    (remark,) = files(tmp_path).bad.remarks
    assert "extra.csv" in remark and "dev.jsonl.gz (packed" in remark and "test.parquet (Parquet" in remark


def test_a_folder_of_nothing_but_other_forms_says_what_they_are(tmp_path):
    (tmp_path / "train.xlsx").write_bytes(b"PK\x03\x04")
    line = refusal(tmp_path)
    assert "no train, dev or test file" in line and "train.xlsx (a spreadsheet; save it as CSV" in line


OTHER_FORMS = {
    "pairs.xlsx": "spreadsheet", "pairs.parquet": "read_parquet('pairs.parquet').to_json('pairs.jsonl'",
    "pairs.jsonl.gz": "unpack", "pairs.zip": "unpack", "pairs.ndjson": "rename it to pairs.jsonl", "pairs.pkl": "never",
    "pairs.feather": "read_feather", "pairs.tab": "pairs.tsv", "pairs.XLS": "spreadsheet", "pairs.ipynb": "a notebook;",
    "pairs.yaml": "is YAML; write", "pairs.db": "is a database; write", "pairs.txt": "rename one to pairs.nl",
}  # fmt: skip


@pytest.mark.parametrize(("name", "words"), OTHER_FORMS.items())
def test_other_forms_are_named_with_the_mend(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"x")
    assert words in refusal(tmp_path / name)


@pytest.mark.parametrize("column", ["messages", "conversations"])
def test_chats_are_named_with_the_mend(tmp_path, column):
    (tmp_path / "pairs.jsonl").write_text(json.dumps({column: [{"role": "user", "content": "sort"}]}) + "\n")
    line = refusal(tmp_path / "pairs.jsonl")
    assert f"only {column!r}" in line and "chats are not read" in line and "'nl'" in line


def test_each_kind_of_bad_record_has_its_first_places_however_late_it_comes(tmp_path):
    lines = ['{"nl": "a", "code": ""}'] * 30 + ['{"nl": "a", "co', '{"nl": "a", "code": "b"}']
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    source = files(tmp_path / "pairs.jsonl")
    assert pairs_of(source) == pairs_of(source) == [("a", "b")]
    assert source.bad.counts == {"empty code": 30, "not JSON (cut in half?)": 1}
    assert any(":31: not JSON" in place for place in source.bad.places)
    assert sum(place.endswith("empty code") for place in source.bad.places) < 30


def test_the_command_says_what_is_read_otherwise_and_every_kind_of_bad_record(tmp_path, capsys, monkeypatch):
    (tmp_path / "pairs.csv").write_text("nl;code\n" + "a;\n" * 30 + "a;b\nc;d\ne;f\ng;h;i\nj;k")
    command = ["data", "stats", "files", "--data.path", str(tmp_path / "pairs.csv"), "--json", str(tmp_path / "o.json")]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    printed = capsys.readouterr().out
    assert "semicolons" in printed and "skipped 20 more: empty code" in printed and "pairs.csv:35: 3 fields" in printed
    assert "skipped in all: 33" in printed
    assert "semicolons" in json.loads((tmp_path / "o.json").read_text())["remarks"][0]


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


NOT_UTF8 = "not UTF-8 (files in another encoding need its name: --data.encoding cp1252)"
HALF = "column 'nl' holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no character"
GOOD = b'{"nl": "one", "code": "1"}'
BAD_LINES = {
    b'{"nl": "tw\xff", "code": "2"}': NOT_UTF8,
    b'{"nl": "tw\\ud800", "code": "2"}': HALF,
    b'{"nl": "two", "co': "not JSON (cut in half?)",
    b'["two", "2"]': "not a JSON object but a list (a file that is one list of objects is named .json)",
    b'"{}"': "not a JSON object but a string (was JSON written as JSON again?)",
    b"2": "not a JSON object",
    b'{"nl": " ", "code": "2"}': "empty description",
    b'{"nl": null, "code": "2"}': "empty description",
    b'{"nl": "two", "code": ""}': "empty code",
    b'{"nl": "two"}': "no column 'code'",
    b'{"nl": 2, "code": "2"}': "column 'nl' is a number, not text",
    b'{"nl": "two", "code": {"a": 1, "a": 2}}': "column 'code' is an object, not text",
    b"[" * 100_000: "not JSON that can be read: nested too deeply",
    b'{"nl": "two", "code": NaN}': "column 'code' is NaN, not text",
    b'{"nl": "two", "code": "2", "code": "3"}': "a JSON object in which 'code' stands twice",
    b'\xef\xbb\xbf{"nl": "two", "code": "2"}': "a byte order mark in the middle of the file (two files put together?)",
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
    path.write_bytes(b'nl,code\none,1\n"two\nlines",2\nthr\xffee,3\n,5\nfive,5\nsix\nseven,7\neight,8\n"nine,9\nten,10\n')
    source = files(path)
    assert pairs_of(source) == [("one", "1"), ("two\nlines", "2"), ("eight", "8")]
    places = [place.removeprefix(f"{path}:").split(":")[0] for place in source.bad.places]
    assert places == ["5", "6", "7", "8", "9", "11"]
    assert list(source.bad.counts.values()) == [1, 1, 2, 1, 2] and source.bad.counts[NOT_UTF8] == 1


def test_bad_lines_of_parallel_text_are_counted(tmp_path):
    (tmp_path / "p.nl").write_bytes(b"one\ntw\xff\n\nfour\n")
    (tmp_path / "p.code").write_bytes(b"1\n2\n3\n\xfe\n")
    source = files(tmp_path / "p")
    assert pairs_of(source) == [("one", "1")]
    assert source.bad.counts == {f"description is {NOT_UTF8}": 1, "empty description": 1, f"code is {NOT_UTF8}": 1}


def test_a_file_in_which_nothing_is_usable_is_refused(tmp_path):
    (tmp_path / "pairs.jsonl").write_bytes(b"{}\n")
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


@pytest.mark.parametrize("column", ["nl", "code"])
def test_a_text_far_longer_than_any_network_reads_is_counted_and_left_out_of_training(tmp_path, column):
    pair = {"nl": "sort xs", "code": "xs.sort()"} | {column: "a b " * 250_001}
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ({"nl": "a", "code": "b"}, pair)))
    source = files(tmp_path)
    assert pairs_of(source) == [("a", "b")]
    assert source.bad.places == [f"{tmp_path}/train.jsonl:2: longer than 1,000,000 letters"]
    (tmp_path / "test.jsonl").write_text(json.dumps(pair) + "\n")
    assert len(pairs_of(files(tmp_path), "test")) == 1  # evaluation skips nothing


NO_TABLES = {
    '[{"nl": "a", "code": "b"}]': "is JSON; rename it to .jsonl", '{"nl": "a", "code": "b"}\n': "is JSON; rename",
    "[\n  {\n": "is JSON; rename", "{\n": "is JSON; rename",
    "| nl | code |\n|---|---|\n| a | b |\n": "a Markdown table",
    "{\\rtf1 nl,code}": "word processor", "\n<html>": "an HTML page",
    "do this,x = 1\ndo that,x = 2\n": "the first line is to name the columns",
}


@pytest.mark.parametrize(("content", "words"), NO_TABLES.items(), ids=range(len(NO_TABLES)))
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_what_is_no_table_is_named(tmp_path, content, words, ending):
    (tmp_path / f"a.{ending}").write_text(content)
    assert words in refusal(tmp_path / f"a.{ending}")


def test_a_table_with_bars_at_its_ends_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("|nl|code|\n|one|1|\n|two|2|\n")
    assert pairs_of(files(tmp_path / "a.csv")) == [("one", "1"), ("two", "2")]


def test_a_pair_is_made_of_two_columns(tmp_path):
    path = write(tmp_path / "a.csv", PAIRS)
    assert "both 'nl'" in refusal(path, nl="nl", code="nl")


def test_folders_are_named_where_no_split_is_found(tmp_path):
    for name in ("train", "test", ".git"):
        (tmp_path / name).mkdir()
    line = refusal(tmp_path)
    assert "test (a folder" in line and "train (a folder" in line and ".git" not in line


def test_of_many_columns_some_are_named(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(["x" * 5000, *(f"c{n}" for n in range(9_999))]) + "\n1\n")
    line = refusal(tmp_path / "a.csv")
    assert "'c18' and 9,980 more" in line and len(line) < 500 + len(str(tmp_path))
