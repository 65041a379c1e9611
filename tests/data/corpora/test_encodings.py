"""Every encoding gives the same pairs, or one line says which one to name."""

import json

import pytest

from data.config import DataConfig
from data.corpora.encodings import encoding_of, lines, wide_encoding
from data.sources import open_source
from system.errors import UserError

PAIRS = [("sort naïve xs", "xs.sort()"), ("say “hi”", "print('hi')"), ("三", "return x\n")]
FORMS = {
    "pairs.jsonl": "".join(json.dumps({"nl": nl, "code": code}, ensure_ascii=False) + "\n" for nl, code in PAIRS),
    "pairs.json": json.dumps([{"nl": nl, "code": code} for nl, code in PAIRS], ensure_ascii=False),
    "pairs.csv": "nl,code\r\n" + "".join(f'"{nl}","{code}"\r\n' for nl, code in PAIRS),
    "pairs.tsv": "nl\tcode\n" + "".join(f'{nl}\t"{code}"\n' for nl, code in PAIRS),
}


def read(path, content, **data):
    path.write_bytes(content)
    source = open_source("files", DataConfig(path=str(path), **data), seed=1)
    return [(example.nl, example.code) for example in source.splits()["train"]], source.bad


def refusal(path, content, **data):
    with pytest.raises(UserError) as error:
        read(path, content, **data)
    assert "\n" not in str(error.value) and path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_mark_says_the_encoding(tmp_path, name, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    assert read(tmp_path / name, (mark + FORMS[name]).encode(encoding))[0] == PAIRS
    assert read(tmp_path / name, (mark + FORMS[name]).encode(encoding), encoding="cp1252")[0] == PAIRS


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-32"])
def test_two_and_four_bytes_a_character_are_named_and_read_by_that_name(tmp_path, name, encoding):
    content = FORMS[name].replace("三", "3").encode(encoding)
    assert f"--data.encoding {encoding}" in refusal(tmp_path / name, content)
    assert len(read(tmp_path / name, content, encoding=encoding)[0]) == 3


@pytest.mark.parametrize("encoding", ["utf-16", "UTF_32"])
def test_an_encoding_with_a_mark_needs_it(tmp_path, encoding):
    assert "-le or utf-" in refusal(tmp_path / "pairs.csv", FORMS["pairs.csv"].encode(), encoding=encoding)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["gb18030", "utf-7", "UTF8", "utf_8_sig"])
def test_any_encoding_is_read_by_its_name(tmp_path, name, encoding):
    assert read(tmp_path / name, FORMS[name].encode(encoding), encoding=encoding)[0] == PAIRS


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.csv", "pairs.tsv"])
@pytest.mark.parametrize(("data", "words"), [({}, "--data.encoding cp1252"), ({"encoding": "ascii"}, "not ascii")])
def test_a_record_in_another_encoding_is_lost_alone(tmp_path, name, data, words):
    content = FORMS[name].replace("三", "3").replace("“", "").replace("”", "").encode("cp1252")
    pairs, bad = read(tmp_path / name, content, **data)
    assert len(pairs) == 2 and list(bad.counts.values()) == [1] and words in bad.places[0]


def test_a_json_list_in_another_encoding_is_refused_with_its_line(tmp_path):
    line = refusal(tmp_path / "pairs.json", '[\n{"nl": "é",\n"code": "x"}]'.encode("cp1252"))
    assert "pairs.json:2:" in line and "--data.encoding cp1252" in line


@pytest.mark.parametrize(
    "name", ["foo8", "../utf8", "rot13", "base64", "hex", "unicode_escape", "idna", "undefined", "\0", "bz2"]
)
def test_what_is_no_encoding_of_text_is_refused(name):
    with pytest.raises(ValueError, match="data.encoding") as error:
        DataConfig(encoding=name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.csv", "pairs.tsv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_mark_in_the_middle_is_named(tmp_path, name, encoding):
    content = "\ufeff" + FORMS[name] + "\ufeff" + FORMS[name]
    pairs, bad = read(tmp_path / name, content.encode("utf-16-le" if encoding == "utf-16" else encoding))
    assert set(pairs) == set(PAIRS) and len(pairs) == (5 if name == "pairs.jsonl" else 6)
    assert sum(bad.counts.values()) == 1 and "byte order mark" in bad.places[0]


def test_parallel_text_is_decoded_too(tmp_path):
    (tmp_path / "pairs.code").write_bytes("print('ä')\n\ufeff1\n2\0\n".encode("utf-16"))
    pairs, bad = read(tmp_path / "pairs.nl", "sag ä\neins\nzwei\n".encode("cp1252"), encoding="cp1252")
    assert pairs == [("sag ä", "print('ä')")] and len(bad.counts) == 2


@pytest.mark.parametrize("name", FORMS)
def test_line_ends_of_old_macs_are_read(tmp_path, name):
    pairs, _ = read(tmp_path / name, FORMS[name].replace("\r\n", "\n").replace("\n", "\r").encode())
    assert pairs == PAIRS


def test_a_cr_among_line_feeds_ends_no_line(tmp_path):
    (tmp_path / "a").write_bytes("one\r\nt\rw\u2028o\nthree".encode())
    assert list(lines(tmp_path / "a")) == ["one", "t\rw\u2028o", "three"]


@pytest.mark.parametrize("text", ["a\0b\n", "\0", "\0\0\0\0", "abc\0", "id,nl\r\n0,\0\0\0\0\0\0\0\0"])
def test_a_few_nuls_are_no_other_encoding(tmp_path, text):
    (tmp_path / "a").write_text(text, newline="")
    assert encoding_of(tmp_path / "a") == "utf-8"


def test_line_ends_of_old_macs_in_parallel_text(tmp_path):
    (tmp_path / "pairs.code").write_bytes(b"1\r2\r")
    assert read(tmp_path / "pairs.nl", b"one\r\ntwo\r\n")[0] == [("one", "1"), ("two", "2")]


CONTENTS = {
    b"PK\x03\x04": "spreadsheet", b"\x1f\x8b\x08": "gzip", b"PAR1": "Parquet", b"SQLite format 3\0": "database",
    b"version https://git-lfs.github.com/spec/v1\n": "git lfs pull", b"<!DOCTYPE html>\n<html>\n": "HTML",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("content", "words"), CONTENTS.items(), ids=CONTENTS.values())
def test_what_is_no_text_is_called_by_its_name(tmp_path, name, content, words):
    assert words in refusal(tmp_path / name, content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("beginning", ["nl,code\r\n", '{"nl": "', '[\r\n  {"nl": "', "text\tcode\n"])
def test_other_scripts_are_known_as_two_bytes_a_character_by_their_header(encoding, beginning):
    assert wide_encoding((beginning + "打印列表的所有元素，" * 50).encode(encoding)) == encoding
