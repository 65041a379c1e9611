"""Values of files have the types that they are to have, or one line says what is wrong and where."""

import os
from dataclasses import dataclass, field

import pytest

from system.errors import UserError
from system.from_disk import Number, Table, checked, in_its_place, read_typed, refuse_in_its_place


@dataclass
class Inner:
    step: int
    counters: dict[str, float] = field(default_factory=dict)


@dataclass
class Outer:
    inner: Inner
    names: list[str]
    rest: str | None = None


WHOLE = {"inner": {"step": 3, "counters": {"a": 1.5, "b": 2}}, "names": ["x"], "more": [1]}


def test_what_has_the_right_types_is_given_as_it_was_read():
    assert checked(WHOLE, Outer, "f") == Outer(Inner(3, {"a": 1.5, "b": 2}), ["x"])
    for value, kind in (({"a": 1}, dict[str, int]), ([1, 2.5], list[Number]), ({}, Table), (None, str | None)):
        assert checked(value, kind, "f") == value


@pytest.mark.parametrize(("value", "kind", "said"), [
    ([], dict[str, int], "f: it is [], not names and values; mend"),
    ({"a": 1, "b": {"c": "x"}}, dict[str, Number | dict[str, int]], "f: b is {'c': 'x'}, not a number or names and"),
    ({"a": {"b": ["x"]}}, dict[str, dict[str, list[int]]], "f: a.b.1 is 'x', not a whole number"),
    ([{"a": 1}, 3], list[Table], "f: 2 is 3, not names and values"),
    ({"a": "1"}, dict[str, Number | None], "f: a is '1', not a number or nothing"),
    (WHOLE | {"inner": 5}, Outer, "f: inner is 5, not names and values (step, counters)"),
    (WHOLE | {"inner": {"step": None}}, Outer, "f: inner.step is None, not a whole number"),
    (WHOLE | {"inner": {}}, Outer, "f: no inner.step there"), ({"inner": {"step": 1}}, Outer, "f: no names there"),
    (WHOLE | {"names": "x"}, Outer, "f: names is 'x', not a list"),
    (WHOLE | {"inner": {"step": 1, "counters": {"\x1b[2J": "x" * 99}}}, Outer, "is 'xxxxxxxxxxxxxxxxxxxxxxxx"),
    ("\u202e", int, r"it is '\u202e', not a whole number"), (7, Outer, "f: it is 7, not names and values (inner"),
])  # fmt: skip
def test_another_type_is_said_with_its_place(value, kind, said):
    with pytest.raises(UserError) as error:
        checked(value, kind, "f", "mend")
    assert said in str(error.value) and str(error.value).endswith("; mend") and "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[" * 10**5, "1e", "\ud800"])
def test_what_is_no_json_gets_one_line(tmp_path, content):
    (tmp_path / "f.json").write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(UserError, match="f.json is not whole JSON"):
        read_typed(tmp_path / "f.json", Table)


@pytest.mark.parametrize("digits", [str(10**30), "-" + "9" * 5000])
def test_a_number_beyond_64_bits_is_no_count_and_may_say_that_there_is_no_limit(tmp_path, digits):
    (tmp_path / "f.json").write_text(f'{{"model_max_length": {digits}}}')
    assert read_typed(tmp_path / "f.json", Table) == {"model_max_length": float(digits)}
    with pytest.raises(UserError, match="not a whole number"):
        read_typed(tmp_path / "f.json", dict[str, int])


@pytest.mark.parametrize(("content", "said"), [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n", "a pointer of git-lfs"),
    (b"<!DOCTYPE html><html>", "a web page"), (b"\n  <html lang=en>", "a web page"),
    (b"<?xml version='1.0'?>", "a web page"),
    (b'{"error": "Repository not found"}', "a server's message of an error"), (b'{"message": "no"}', ""),
    (b"", ""), (b"\x80\x02}q\x00", ""), (b"PK\x03\x04", ""), (b"\x0a\x0e\x0a\x05<unk>", ""),
])  # fmt: skip
def test_what_was_fetched_in_the_place_of_a_file_is_called_that(tmp_path, content, said):
    assert in_its_place(content).startswith(said) and bool(in_its_place(content)) == bool(said)
    (tmp_path / "model.safetensors").write_bytes(content)
    if said:
        with pytest.raises(UserError, match=f"model.safetensors is {said}"):
            refuse_in_its_place(tmp_path / "model.safetensors")
    else:
        refuse_in_its_place(tmp_path / "model.safetensors")
    refuse_in_its_place(tmp_path / "none")


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "state.json")
    with pytest.raises(UserError, match="state.json is a pipe, not a file"):
        read_typed(tmp_path / "state.json", Table)
    with pytest.raises(UserError, match="state.json is a pipe, not a file"):
        refuse_in_its_place(tmp_path / "state.json")
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_typed(tmp_path, Table)
