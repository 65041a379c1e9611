"""Rows that cannot be used are copied as they stand: mended there and put back, nothing is lost."""

import pytest

from data.config import DataConfig
from data.corpora.files import files_source
from data.corpora.refused import copy_refused

GOOD = b'{"nl": "one", "code": "1"}\n'
CUT, EMPTY, BYTES = b'{"nl": "tw\n', b'{"nl": "two", "code": ""}\n', b'{"nl": "tw\xff", "code": "2"}\n'


@pytest.fixture
def copied(tmp_path):
    """copied(name, content): what was wrong, and the contents of the files that the refused rows were copied into."""
    def copied(name, content, split="train", **settings):
        (tmp_path / name).write_bytes(content)
        data = DataConfig(path=str(tmp_path / name if split == "train" else tmp_path), **settings)
        (tmp_path / "out").mkdir(exist_ok=True)
        bad, files = copy_refused(files_source(data), split, data, tmp_path / "out")
        return bad.counts, {path.name: path.read_bytes() for path in files}

    return copied


def test_where_all_is_well_no_file_is_made(copied):
    assert copied("pairs.jsonl", GOOD * 3) == ({}, {})


def test_lines_are_copied_byte_for_byte(copied):
    counts, files = copied("pairs.jsonl", GOOD + CUT + GOOD + EMPTY + BYTES + GOOD)
    assert sum(counts.values()) == 3 and files == {"pairs.refused.jsonl": CUT + EMPTY + BYTES}


def test_evaluation_refuses_what_cannot_be_read_and_nothing_that_is_empty(copied, tmp_path):
    (tmp_path / "train.jsonl").write_bytes(GOOD)
    counts, files = copied("test.jsonl", CUT + EMPTY + BYTES, "test")
    assert sum(counts.values()) == 2 and files == {"test.refused.jsonl": CUT + BYTES}


def test_a_row_of_many_lines_is_copied_whole_and_under_its_header(copied):
    content = b'nl,code\r\none,1\r\n"two\r\nlines",\r\nthree,3\r\nfour,4\xff\r\nfive,5\r\n'
    _, files = copied("pairs.csv", content)
    assert files == {"pairs.refused.csv": b'nl,code\r\n"two\r\nlines",\r\nfour,4\xff\r\n'}


def test_parallel_text_is_copied_side_by_side(copied, tmp_path):
    (tmp_path / "pairs.nl").write_bytes(b"one\n\nthr\xffee\nfour\n")
    _, files = copied("pairs.code", b"1\n2\n3\n4\n")
    assert files == {"pairs.refused.nl": b"\nthr\xffee\n", "pairs.refused.code": b"2\n3\n"}


def test_rows_of_a_list_are_copied_with_their_lines(copied):
    _, files = copied("pairs.json", b'[\n ' + GOOD[:-1] + b',\n {"nl": "two",\n  "code": ""},\n ' + GOOD + b"]")
    assert files == {"pairs.refused.json": b' {"nl": "two",\n  "code": ""},\n'}


def test_a_line_of_many_rows_is_copied_once(copied):
    line = b'[{"nl": "", "code": "1"}, {"nl": "2", "code": ""}, {"nl": "3", "code": "3"}]'
    assert copied("pairs.json", line) == ({"empty description": 1, "empty code": 1}, {"pairs.refused.json": line})


def test_what_stands_before_the_end_of_what_can_be_read_is_copied(copied):
    rows = [b'{"nl": "", "code": "1"}', *[GOOD.strip()] * 2000]
    _, files = copied("pairs.json", b"[\n " + b",\n ".join(rows) + b', {"nl": "3", "co')
    assert files["pairs.refused.json"].startswith(b' {"nl": "", "code": "1"},\n')


@pytest.mark.parametrize(("encoding", "given"), [("utf-16", ""), ("utf-16-le", "utf-16-le"), ("cp1252", "cp1252")])
def test_the_copy_has_the_encoding_of_the_file(copied, encoding, given):
    good, cut = GOOD.decode().replace("one", "né"), CUT.decode().replace("tw", "é")
    _, files = copied("pairs.jsonl", (good + cut + good).encode(encoding), encoding=given)
    assert {name: content.decode(encoding) for name, content in files.items()} == {"pairs.refused.jsonl": cut}


def test_old_line_ends_lose_nothing(copied):
    _, files = copied("pairs.jsonl", (GOOD + CUT + GOOD).replace(b"\n", b"\r"))
    assert files == {"pairs.refused.jsonl": CUT}


def test_what_was_copied_before_and_mended_is_not_written_over(copied, tmp_path):
    copied("pairs.jsonl", GOOD + CUT)
    copied("pairs.jsonl", GOOD + CUT)  # the same again needs no second file
    (tmp_path / "out" / "pairs.refused.jsonl").write_bytes(b"mended")
    _, files = copied("pairs.jsonl", GOOD + CUT)
    assert files == {"pairs.refused-2.jsonl": CUT}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pairs.refused-2.jsonl", "pairs.refused.jsonl"}
    assert (tmp_path / "out" / "pairs.refused.jsonl").read_bytes() == b"mended"
