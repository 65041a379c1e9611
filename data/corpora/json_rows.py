"""Rows of JSON: one object a line (JSONL), or one list of objects; and what is wrong where it is not JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.corpora.encodings import MARK, MARK_INSIDE, lines, not_decoded, open_text, undecodable
from data.corpora.foreign import PAGE, is_page
from data.corpora.records import Row
from system.errors import UserError

BLANK_BYTES = " \t\r\n\x0b\x0c"  # a line of nothing else is no row
BLANKS = re.compile(r"[ \t\r\n]*")
CUT = "not JSON (cut in half?)"
TOO_DEEP = "not JSON that can be read: nested too deeply"
FAULTS = (  # what the parser says, how the text goes on where it stopped -> what is wrong
    (r"Invalid \\", r"", "a single backslash, which JSON writes as two"),
    (r"Invalid control", r"", "a tab, line end or other control character inside a string, which JSON writes as \\t"),
    (r"Unterminated", r"", "a string without its end (a quote too many or too few?)"),
    (r"Illegal trailing comma", r"", "a comma too many before a bracket"),
    (r"", r"'", "single quotes, where JSON has double ones (Python's print writes those; json.dumps writes JSON)"),
    (r"", r"[\u201c\u201d\u201e\u2018\u2019]", "typographic quotes, where JSON has plain ones"),
    (r"", r"\ufeff", MARK_INSIDE),
    (r"", r"//|/\*|#", "a comment, which JSON does not have"),
    (r"Expecting value", r"(None|True|False|undefined|nan|inf)\b", "a word of Python; JSON has null, true, false"),
    (r"Expecting value", r"<{7}|={7}|>{7}", "a mark of a merge conflict"),
    (r"Expecting value", r"<", "HTML or XML"),
    (r"Expecting property", r"\w", "a name without double quotes"),
    (r"Extra data", r",\s*$", "a comma behind the object's end, which JSONL does not have"),
    (r"Extra data", r"", "more behind the object's end (two objects on one line?)"),
    (r"Expecting ','", r"", 'a comma is missing, or a quote inside a string is not written as \\"'),
    (r"Expecting ':'", r"", "a colon is missing"),
    (r"Expecting value", r"", "no value where one must stand"),
)


NO_OBJECT = {
    list: "not a JSON object but a list (a file that is one list of objects is named .json)",
    str: "not a JSON object but a string (was JSON written as JSON again?)",
}
NO_NAMES = "a list, not an object with the columns' names (pandas writes these with to_json(orient='records'))"


class Repeated(dict):
    """A JSON object in which a name stands twice, so that one of its values is lost."""

    name: str


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these names and values."""
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    repeated = Repeated(values)
    names = [name for name, _ in pairs]
    repeated.name = next(name for name in names if names.count(name) > 1)
    return repeated


DECODER = json.JSONDecoder(object_pairs_hook=object_of)


def json_lines(path: Path, encoding: str = "") -> Iterator[Row]:
    """Read one JSON object per line; blank lines are no rows. Raises UserError for a list over several lines."""
    first = True
    for number, line in enumerate(lines(path, encoding), 1):
        if not line.strip(BLANK_BYTES):
            continue
        if first and line.strip() == "[":
            raise UserError(f"{path}:{number} begins one list of all records; rename it to {path.stem}.json")
        first = False
        if undecodable(line):
            yield Row(path, number, None, not_decoded(encoding))
        elif line.startswith(MARK):
            yield Row(path, number, None, MARK_INSIDE)
        else:
            yield json_line(path, number, line)


def json_line(path: Path, number: int, line: str) -> Row:
    """The row of one line."""
    try:
        return object_row(path, number, DECODER.decode(line))
    except json.JSONDecodeError as error:
        reason, position = fault(line, error)
        lost = len(list(values_in(line))) if error.msg == "Extra data" else 1
        return Row(path, number, None, reason, column=0 if reason == CUT else position + 1, lost=lost)
    except RecursionError:
        return Row(path, number, None, TOO_DEEP)
    except ValueError as error:  # a number of more digits than Python reads
        return Row(path, number, None, f"not JSON that can be read: {error}")


def object_row(path: Path, line: int, value: Any) -> Row:
    """The row of a parsed JSON value, which must be an object that names each of its values once."""
    if isinstance(value, Repeated):
        return Row(path, line, None, f"a JSON object in which {value.name!r} stands twice")
    if not isinstance(value, dict):
        in_list = path.suffix.lower() == ".json" and isinstance(value, list)
        return Row(path, line, None, NO_NAMES if in_list else NO_OBJECT.get(type(value), "not a JSON object"))
    return Row(path, line, value)


def values_in(text: str) -> Iterator[Any]:
    """The JSON values that stand behind one another in a text, as far as they can be read."""
    position = after_blanks(text, 0)
    while position < len(text):
        try:
            value, position = DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value
        position = after_blanks(text, position)


def fault(text: str, error: json.JSONDecodeError) -> tuple[str, int]:
    """What is wrong with a text that is not JSON, and the position."""
    end = len(text.rstrip())
    if text.strip() in ("{", "["):
        return "not JSON (JSONL has one whole object a line; a file that is one list is named .json)", error.pos
    if error.pos >= end or (error.msg.startswith("Unterminated") and text[end - 1] not in "}]"):
        return CUT, error.pos
    rest = text[error.pos : error.pos + 20]
    if rest[0] in "}]" and text[: error.pos].rstrip().endswith(","):
        return "not JSON: a comma too many before a bracket", error.pos
    for said, goes_on, what in FAULTS:
        if re.match(said, error.msg) and re.match(goes_on, rest):
            return f"not JSON: {what}", error.pos
    return f"not JSON: {error.msg}", error.pos


def json_list(path: Path, encoding: str = "") -> Iterator[Row]:
    """Read a JSON list of objects, one by one so that each row knows its line, and its column behind another one.

    A file whose JSON is broken has no readable rest: UserError with the line, after the rows before it.
    """
    with open_text(path, encoding) as file:
        text = file.read()
    if undecodable(text):
        bad = next(number for number, line in enumerate(text.split("\n"), 1) if undecodable(line))
        raise UserError(f"{path}:{bad}: {not_decoded(encoding)}; or write JSONL, where only the broken lines are lost")

    position = after_blanks(text, 0)
    if text[position : position + 1] != "[":
        raise UserError(f"{path} does not begin with [: {mend_of_no_list(text)}")

    line, begin, counted, before = 1, 0, 0, 0  # of the row: its line, where that begins; counted up to; the last row's
    position = after_blanks(text, position + 1)
    while text[position : position + 1] != "]":
        line += text.count("\n", counted, position)
        begin = max(begin, text.rfind("\n", counted, position) + 1)
        counted, column = position, position - begin + 1 if line == before else 0
        value, position = next_value(path, text, position)
        yield replace(object_row(path, line, value), column=column)
        before = line
        position = after_blanks(text, position)
        if text[position : position + 1] == ",":
            position = after_blanks(text, position + 1)
        elif text[position : position + 1] != "]":
            what = "the list ends here without ]" if position == len(text) else "no comma behind this record"
            raise UserError(f"{path}:{line}: {what}; mend the file from this line on")
    rest = after_blanks(text, position + 1)
    if rest < len(text):
        raise UserError(
            f"{path}:{text.count(chr(10), 0, rest) + 1}: {text[rest : rest + 20]!r} stands behind the end of the list; "
            "put all records into one list, or one a line into a .jsonl file"
        )


def next_value(path: Path, text: str, position: int) -> tuple[Any, int]:
    """The value that begins at a position, and where it ends. Raises UserError with its place."""
    try:
        return DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        reason, at = fault(text, error)
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        place = f"{path}:{line}" if reason == CUT else f"{path}:{line}:{column}"
        raise UserError(f"{place}: {reason}; mend the file from this line on") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}:{text.count(chr(10), 0, position) + 1}: {TOO_DEEP}") from None


def mend_of_no_list(text: str) -> str:
    """How to mend a JSON file that is no list."""
    if is_page(text):
        return f"it is {PAGE}"
    values = list(values_in(text))
    if len(values) > 1:
        return "it holds one object behind the other; name it .jsonl, with each on a line of its own"
    if values and isinstance(values[0], dict):
        inside = [name for name, value in values[0].items() if isinstance(value, list)]
        if "nbformat" in values[0]:
            return "it is a notebook; write its pairs as a list of objects, or one a line into a .jsonl file"
        if "columns" in inside or values[0] and all(isinstance(value, dict) for value in values[0].values()):
            return "it is an object of objects or columns; pandas writes a list with to_json(orient='records')"
        if inside:
            return f"it is an object; write the list {inside[0]!r} in it as a file of its own"
    return "write a list of objects, or name it .jsonl for one a line"


def after_blanks(text: str, position: int) -> int:
    """The first position from `position` on that holds no JSON white space."""
    return BLANKS.match(text, position).end()
