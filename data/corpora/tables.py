"""Files of named columns (JSONL, JSON, CSV, TSV) read as rows, each with the line where it begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from data.corpora.encodings import not_decoded, undecodable
from data.corpora.json_rows import json_lines, json_list
from data.corpora.records import Record, Row, check_file
from data.corpora.separated import Dialect, find_dialect, has_records, header_of, separated
from data.example import Example
from system.errors import UserError

ENDINGS = (".jsonl", ".json", ".csv", ".tsv")
ROWS_LOOKED_AT = 100  # rows from which the columns of a JSON file are gathered
NAMED, LONGEST_NAME = 20, 40  # columns that are named where the wanted one is missing, and letters of each
NO_TEXT = {bool: "true or false", (int, float): "a number", list: "a list", dict: "an object"}  # values of JSON
CHATS = ("messages", "conversations", "conversation")


def rows(path: Path, dialect: Dialect = Dialect()) -> Iterator[Row]:
    """Read the rows of a file in the format that its ending names."""
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return separated(path, dialect)
    return (json_lines if ending == ".jsonl" else json_list)(path, dialect.encoding)


def check_columns(
    path: Path, columns: Sequence[str], mend: str, encoding: str = "", quoting: str = "auto"
) -> Dialect:
    """How the file is to be read.

    Raises UserError when it is missing, empty or holds a wanted column in none of its first rows.
    """
    check_file(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        dialect = find_dialect(path, columns, encoding, quoting)
        found, has_rows = header_of(path, dialect), has_records(path, dialect)
        mend += " (the first line is to name the columns)"
    else:
        dialect = Dialect(encoding)
        first = list(islice(rows(path, dialect), ROWS_LOOKED_AT))
        found, has_rows = list(dict.fromkeys(name for row in first for name in row.values or ())), bool(first)
    missing = [column for column in columns if column not in found]
    if not has_rows:
        raise UserError(f"{path} holds no records")
    if missing and found:
        if any(column in CHATS for column in found):
            asked, answer = columns[0], columns[-1]
            mend = f"chats are not read: write what is asked as {asked!r} and what is answered as {answer!r} of a row"
        raise UserError(f"{path} has no column {missing[0]!r}, only {in_words(found)}; {mend}")
    return dialect


def in_words(columns: Sequence[str]) -> str:
    """The first columns of a file, or of a first line that is no header, by name."""
    names = [repr(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "...") for name in columns[:NAMED]]
    return ", ".join(names) + (f" and {len(columns) - NAMED:,} more" if len(columns) > NAMED else "")


def column_text(row: Row, column: str) -> tuple[str, str]:
    """The text in a row's column, and the problem with it; null counts as empty text."""
    if column not in row.values:
        return "", f"no column {column!r}"
    value = row.values[column]
    if value is None:
        return "", ""
    if not isinstance(value, str):
        kind = "NaN" if value != value else next(word for kinds, word in NO_TEXT.items() if isinstance(value, kinds))
        return "", f"column {column!r} is {kind}, not text"
    if undecodable(value):
        half = f"column {column!r} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no character"
        return "", half if row.encoding is None else not_decoded(row.encoding)
    return value, ""


def pair_record(row: Row, example_id: str, nl: str, code: str, language: str) -> Record:
    """The pair in the columns `nl` and `code` of a row, unchanged."""
    if row.values is None:
        return Record(row.place, None, row.problem, row.cause, row.lost)
    description, nl_problem = column_text(row, nl)
    program, code_problem = column_text(row, code)
    if nl_problem or code_problem:
        return Record(row.place, None, nl_problem or code_problem)
    return Record(row.place, Example(example_id, description, program, language), remark=row.remark)
