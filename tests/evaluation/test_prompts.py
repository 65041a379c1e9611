"""Lines of standard input are decoded together where they have come together, and none waits for another."""

import io
import os
import random
import sys

import pytest

from evaluation.prompts import AT_ONCE, as_utf8, in_groups, with_prompt_text
from system.errors import UserError


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_lines_of_a_file_come_in_order_in_full_groups(end):
    lines = [f"line {i}" if i % 3 else "" for i in range(1000)]
    groups = list(in_groups(io.BytesIO(end.join(lines).encode())))
    assert [text for group in groups for text in group] == [line for line in lines if line]
    assert [len(group) for group in groups][:-2] == [AT_ONCE] * (len(groups) - 2)


def test_whoever_waits_for_an_answer_gets_it_before_the_next_line():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sender:
        groups = in_groups(stream)
        for text in ("first", "second", "third"):
            sender.write(f"{text}\n".encode())
            assert next(groups) == [text]
        sender.write(b"some\nmore\nand a ha")
        assert next(groups) == ["some", "more"]
        sender.write(b"lf\nlast")
        assert next(groups) == ["and a half"]
        sender.close()
        assert next(groups) == ["last"] and next(groups, None) is None


def test_text_is_the_same_wherever_a_pipe_is_cut():
    draw, text = random.Random(3), "é ü 漢字\r\n\n→ ∀ x\n\ufeffnot a mark\nlast"

    class Slow(io.BytesIO):
        def read1(self, size=-1):
            return super().read(draw.randrange(1, 5))

    for _ in range(50):
        found = [line for group in in_groups(Slow("\ufeff".encode() + text.encode())) for line in group]
        assert found == ["é ü 漢字", "→ ∀ x", "not a mark", "last"]


@pytest.mark.parametrize(("content", "words"), [
    (b"", "there was none"),
    (b" \n\t\n", "there was none"),
    ("\ufeff".encode(), "there was none"),
    (b"good\nbad \xff\n", "line 2 of standard input is not UTF-8 at byte 4"),
    ("good\nbad\n".encode("utf-16"), "line 1 of standard input is not UTF-8 text, but perhaps UTF-16"),
    ("good\n".encode("utf-16-le"), "perhaps UTF-16"),
    (b"good\n\n" + b"x" * 2**21, "line 3 of standard input is longer than a mebibyte"),
])  # fmt: skip
def test_what_is_no_text_is_named_with_its_line(content, words):
    with pytest.raises(UserError, match=words):
        list(in_groups(io.BytesIO(content)))


def test_typed_utf8_is_itself_whatever_python_takes_the_terminal_for(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert as_utf8("größe 漢".encode().decode("ascii", "surrogateescape")) == as_utf8("größe 漢") == "größe 漢"
    with pytest.raises(UnicodeError):
        as_utf8("gr\udcf6\udcdfe")


@pytest.mark.parametrize(("words", "read"), [
    (["--prompt"], ["--prompt=-"]),
    (["--prompt", "--beam", "4"], ["--prompt=-", "--beam", "4"]),
    (["--run", "x", "--prompt"], ["--run", "x", "--prompt=-"]),
    (["--prompt", "-"], ["--prompt=-"]),
    (["--prompt", "sort xs", "--beam", "4"], ["--prompt=sort xs", "--beam", "4"]),
    (["--prompt", "-x plus y", "4"], ["--prompt=-x plus y", "4"]),
    (["--prompt", ""], ["--prompt="]),
    (["--prompt=--x"], ["--prompt=--x"]),
    ([], []),
])  # fmt: skip
def test_a_prompt_without_a_text_is_standard_input(words, read):
    assert with_prompt_text(words) == read
