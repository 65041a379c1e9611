"""Which rows of a CSV file can be trusted where the file is damaged.

A quote, a separator or a line end too many or too few makes rows out of parts of others, and some of these have the
right number of fields. What follows is refused, so that after one such edit of a well-formed file no pair is made of
parts of two rows, or of a wrong column (`tests/data/corpora/test_trust.py`):

- a row with the wrong number of fields, and the rows beside it: a line end too many leaves its other half there;
- a broken or never closed quoted cell, and everything behind it: nobody knows where its row ends;
- a row in which a cell that does not begin with a quote holds an odd number of them: it may be the end of a quoted cell
  whose beginning was lost, and then the rows before it are lines of that cell. They are refused back to a row that is
  none: inside a quoted cell the first quotes of a line are doubled or end the cell, so a row whose first quotes are an
  odd number with a letter behind them begins outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

BESIDE = "beside a row with the wrong number of fields, of which it may hold a part"
STRAY = "a quote too many or too few"
INSIDE = "perhaps inside a cell, whose end is a quote in a row below; mend that quote, or give --data.quoting none"
CHARACTERS = 3  # stray quotes that no single edit makes, in a file without a quoted cell: they are characters


@dataclass(slots=True)
class Parsed:
    """What a CSV parser has made of a few lines."""

    line: int  # from 1, where they begin
    raw: str  # the lines, with their ends
    fields: list[str] | None  # None: broken or never closed
    error: str = ""
    lost: int = 1  # lines that are lost with it


@dataclass(frozen=True)
class Problem:
    """Why a record cannot be trusted, and the line of another one that is to blame for it (0: none is)."""

    reason: str
    cause: int = 0


def untrusted(records: Sequence[Parsed], width: int, delimiter: str, quoted: bool) -> dict[int, Problem]:
    """The numbers of the records that cannot be trusted -> why. width: fields of the header."""
    problems: dict[int, Problem] = {}
    wrong = []
    for number, record in enumerate(records):
        if record.fields is None:
            problems[number] = Problem(record.error)
        elif len(record.fields) != width:
            problems[number] = Problem(f"{len(record.fields)} fields where the header has {width}")
            wrong.append(number)
    for number in wrong:
        for beside in (number - 1, number + 1):
            if 0 <= beside < len(records):
                problems.setdefault(beside, Problem(BESIDE, records[number].line))
    if quoted:
        strays = [number for number, record in enumerate(records) if has_stray_quote(record, delimiter)]
        if len(strays) >= CHARACTERS and not has_quoted_cells(records, delimiter):
            strays = []
        for number, (record, after) in enumerate(pairwise(records)):  # a line end too many may have made it open a cell
            if after.raw.startswith('"') and "\n" in after.raw.rstrip("\r\n") and odd_cells(record.raw, delimiter):
                problems.setdefault(number, Problem(STRAY))
                problems.setdefault(number + 1, Problem(STRAY))
        for first, number in zip([0, *strays], strays):
            problems.setdefault(number, Problem(STRAY))
            for before in perhaps_inside(records, first, number, delimiter):
                problems.setdefault(before, Problem(INSIDE, records[number].line))
    return problems


def perhaps_inside(records: Sequence[Parsed], first: int, number: int, delimiter: str) -> Iterator[int]:
    """The records before a stray quote that may be lines of the cell that it ends, back to where that may begin.

    first: the last stray quote's record before, behind which this looks (or 0).
    """
    while number > first and not begins_outside(records[number].raw, delimiter):
        number -= 1
        yield number


def begins_outside(raw: str, delimiter: str) -> bool:
    """Whether a record cannot begin inside a quoted cell: its first quotes neither double nor end there."""
    first = re.search('"+', raw)
    if first is None or len(first.group()) % 2 == 0:
        return False
    return raw[first.end() : first.end() + 1] not in (delimiter, "\r", "\n", "")


def has_stray_quote(record: Parsed, delimiter: str) -> bool:
    """Whether a record is broken, or a cell that does not begin with a quote holds an odd number of them.

    Where no other cell has quotes at an end or an odd number of them, and a letter stands behind this one's first, no
    other row is in doubt and they are a part of the text, as in 5" disk.
    """
    if record.fields is None:
        return True
    if '"' not in record.raw:
        return False
    odd = odd_cells(record.raw, delimiter)
    if not odd:
        return False
    quoted = any(cell.startswith('"') for cell in cells_of(record.raw, delimiter))  # or a separator before it was lost
    return len(odd) > 1 or quoted or not begins_outside(record.raw, delimiter)


def odd_cells(raw: str, delimiter: str) -> list[str]:
    """The cells of a record that do not begin with a quote and hold an odd number of them."""
    return [cell for cell in cells_of(raw, delimiter) if not cell.startswith('"') and cell.count('"') % 2]


def has_quoted_cells(records: Sequence[Parsed], delimiter: str) -> bool:
    """Whether a cell of a file begins with a quote."""
    with_quotes = (record.raw for record in records if '"' in record.raw)
    return any(cell.startswith('"') for raw in with_quotes for cell in cells_of(raw, delimiter))


def cells_of(raw: str, delimiter: str) -> Iterator[str]:
    """The cells of a record as they are written."""
    ends = re.escape(delimiter) + r"\r\n"
    cell = re.compile(rf'"[^"]*(?:""[^"]*)*"(?=[{ends}]|\Z)|[^{ends}]*')
    position = 0
    while True:
        found = cell.match(raw, position)
        yield found.group()
        position = found.end() + 1
        if raw[found.end() : position] != delimiter:
            return
