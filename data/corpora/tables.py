"""Files of named columns (JSONL, JSON, CSV, TSV) read as rows, each with the line where it begins."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from data.corpora.records import Record, check_file, lines, raw_lines, utf8
from data.example import Example
from system.errors import UserError

ENDINGS = (".jsonl", ".json", ".csv", ".tsv")
BLANKS = re.compile(r"[ \t\r\n]*")
ROWS_LOOKED_AT = 100  # rows from which the columns of a JSON file are gathered


@dataclass(frozen=True)
class Row:
    """One row: its values by column, or the problem that makes it unreadable."""

    path: Path
    line: int  # from 1, where the row begins
    values: dict[str, Any] | None
    problem: str = ""

    @property
    def place(self) -> str:
        """"file:line"."""
        return f"{self.path}:{self.line}"


def rows(path: Path) -> Iterator[Row]:
    """Read the rows of a file in the format that its ending names."""
    readers = {".jsonl": json_lines, ".json": json_list, ".csv": separated, ".tsv": separated}
    return readers[path.suffix.lower()](path)


def json_lines(path: Path) -> Iterator[Row]:
    """Read one JSON object per line; blank lines are no rows."""
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        text = utf8(line)
        if text is None:
            yield Row(path, number, None, "not UTF-8")
            continue
        try:
            yield object_row(path, number, json.loads(text))
        except (ValueError, RecursionError):
            yield Row(path, number, None, "not JSON (cut in half?)")


def object_row(path: Path, line: int, value: Any) -> Row:
    """The row of a parsed JSON value, which must be an object."""
    if not isinstance(value, dict):
        return Row(path, line, None, "not a JSON object")
    return Row(path, line, value)


def json_list(path: Path) -> Iterator[Row]:
    """Read a JSON list of objects, one by one so that each row knows its line.

    A file whose JSON is broken has no readable rest: UserError with the line, after the rows before it.
    """
    text = utf8(path.read_bytes())
    if text is None:
        raise UserError(f"{path} is not UTF-8; save it as UTF-8, or as JSONL, where only the broken lines are lost")

    decoder = json.JSONDecoder()
    position = after_blanks(text, int(text.startswith("\ufeff")))
    if text[position : position + 1] != "[":
        raise UserError(f"{path} does not begin with [: write a list of objects, or name it .jsonl for one a line")

    line, counted = 1, 0
    position = after_blanks(text, position + 1)
    while text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            raise UserError(f"{path}:{line}: not JSON (cut in half?); mend the file from this line on") from None
        yield object_row(path, line, value)
        position = after_blanks(text, position)
        if text[position : position + 1] == ",":
            position = after_blanks(text, position + 1)
        elif text[position : position + 1] != "]":
            raise UserError(f"{path}:{line}: the list ends here without ]; mend the file from this line on")


def after_blanks(text: str, position: int) -> int:
    """The first position from `position` on that holds no JSON white space."""
    return BLANKS.match(text, position).end()


def separated(path: Path) -> Iterator[Row]:
    """Read CSV (comma) or TSV (tab) with a header line, quoted as in RFC 4180 and by spreadsheets.

    A byte that is not UTF-8 becomes a lone surrogate, by which `column_text` knows it again.
    """
    text = (line.decode("utf-8", "surrogateescape") for line in raw_lines(path))
    reader = csv.reader(text, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(path, line, None, f"not {path.suffix[1:].upper()} ({error})")
            continue
        if header is None:
            header = fields
        elif len(fields) == len(header):
            yield Row(path, line, dict(zip(header, fields, strict=True)))
        elif fields:
            yield Row(path, line, None, f"{len(fields)} fields where the header has {len(header)}")


def check_columns(path: Path, columns: Iterable[str], mend: str) -> None:
    """Raise UserError when the file is missing, empty or holds a wanted column in none of its first rows."""
    check_file(path)
    found: dict[str, None] = {}
    n_rows = 0
    for row in islice(rows(path), ROWS_LOOKED_AT):
        n_rows += 1
        found.update(dict.fromkeys(row.values or ()))
    missing = [column for column in columns if column not in found]
    if not n_rows:
        raise UserError(f"{path} holds no records")
    if missing and found:
        raise UserError(f"{path} has no column {missing[0]!r}, only {', '.join(map(repr, found))}; {mend}")


def column_text(row: Row, column: str) -> tuple[str, str]:
    """The text in a row's column, and the problem with it; null counts as empty text."""
    if column not in row.values:
        return "", f"no column {column!r}"
    value = row.values[column]
    if value is None:
        return "", ""
    if not isinstance(value, str):
        return "", f"column {column!r} is not text"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "", "not UTF-8"
    return value, ""


def pair_record(row: Row, example_id: str, nl: str, code: str, language: str) -> Record:
    """The pair in the columns `nl` and `code` of a row, unchanged."""
    if row.values is None:
        return Record(row.place, None, row.problem)
    description, nl_problem = column_text(row, nl)
    program, code_problem = column_text(row, code)
    if nl_problem or code_problem:
        return Record(row.place, None, nl_problem or code_problem)
    return Record(row.place, Example(example_id, description, program, language))
