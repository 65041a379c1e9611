"""A file of rows after one edit: no pair of parts of two rows or of a wrong column, and what is lost is counted."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.config import DataConfig
from data.corpora.trust import Parsed, begins_outside, has_stray_quote
from data.sources import open_source
from system.errors import UserError

FILLINGS = ("", " ", ",", "\n", '"', '""', ",,", "\n\n", "x,y\n", '"x"', '\n"', '",', '","', "a\nb,c\nd", '5" b',
            "\r\n", '\n,', '",\n"', '"\n', ",x\"")  # fmt: skip
QUOTINGS = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL}
FIRST_MARK = ord("\u4e00")  # of a row and a column: a character that stands twice in that cell and nowhere else
HEADERS = (("nl", "code"), ("id", "nl", "code"), ("code", "nl", "id"), ("nl", "id", "code", "more"))


@st.composite
def tables(draw):
    """(columns, rows, text): cells carry the number of their row and their column, between characters that do harm."""
    header = draw(st.sampled_from(HEADERS))
    three = st.tuples(*[st.sampled_from(FILLINGS)] * 3)
    rows = []
    for number in range(draw(st.integers(1, 5))):
        marks = [chr(FIRST_MARK + number * len(header) + column) for column in range(len(header))]
        rows.append({name: "{0}{3}{1}{3}{2}".format(*draw(three), m) for name, m in zip(header, marks, strict=True)})
    text = io.StringIO()
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.DictWriter(text, header, lineterminator=ends, quoting=QUOTINGS[draw(st.sampled_from(list(QUOTINGS)))])
    writer.writeheader()
    writer.writerows(rows)
    return header, rows, text.getvalue()


@st.composite
def edits(draw, text, separator=","):
    """The text with one quote, separator or line end more or less, or cut anywhere."""
    kind = draw(st.sampled_from(["insert", "delete", "cut"]))
    if kind == "insert":
        place = draw(st.integers(0, len(text)))
        return text[:place] + draw(st.sampled_from(['"', separator, "\n"])) + text[place:]
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    places = [place for place, character in enumerate(text) if character in f'"{separator}\n']
    place = draw(st.sampled_from(places))
    return text[:place] + text[place + 1 :]


def read(path, text, **data):
    """(pairs, number of records that are counted as lost), or None when the file is refused."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    try:
        source = open_source("files", DataConfig(path=str(path), **data), seed=1)
        pairs = [(example.nl, example.code) for example in source.splits()["train"]]
    except UserError as error:
        assert "\n" not in str(error)
        return None
    return pairs, sum(source.bad.counts.values())


def marks(cell):
    """The marks in a cell, its own and those of whatever was mixed into it."""
    return [character for character in cell if ord(character) >= FIRST_MARK]


@settings(max_examples=800, deadline=None)
@given(st.data())
def test_one_edit_makes_no_pair_of_two_rows_and_loses_none_without_a_count(tmp_path_factory, data):
    _, rows, text = data.draw(tables())
    edited = data.draw(edits(text))
    found = read(tmp_path_factory.getbasetemp() / "edited.csv", edited)
    if found is None:
        return
    pairs, lost = found
    whole = {"".join(marks(row["nl"] + row["code"])): (row["nl"], row["code"]) for row in rows}
    found = ["".join(marks(nl + code)) for nl, code in pairs]
    assert set(found) <= set(whole) and len(set(found)) == len(found), edited
    assert all(len(marks(nl)) == 2 for nl, _ in pairs), edited
    assert sum(whole[mark] != pair for mark, pair in zip(found, pairs, strict=True)) <= 1, edited
    assert len(pairs) == len(rows) or lost or text.startswith(edited), edited
    if text.startswith(edited) and not edited.endswith(("\n", "\r")):
        assert len(pairs) < len(rows), edited


@pytest.mark.parametrize(
    ("raw", "outside", "stray"),
    [
        ("a,b\n", False, False),
        ('"a","b"\n', True, False),
        ('"""a"" b",c\n', True, False),
        ('a 5" disk,b\n', True, False),
        ('print(""a""),b\n', False, False),
        ('a,b"\n', False, True),
        ('x",b\n', False, True),
        ('""x"",b"\n', False, True),
        ('"a,\n",b"\n', True, True),
    ],
)
def test_a_row_whose_first_quotes_neither_double_nor_end_begins_outside(raw, outside, stray):
    assert begins_outside(raw, ",") == outside
    assert has_stray_quote(Parsed(1, raw, ["", ""]), ",") == stray


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_an_edit_inside_a_quoted_cell_changes_that_row_alone(tmp_path_factory, data):
    _, rows, _ = data.draw(tables())
    number = data.draw(st.integers(0, len(rows) - 1))
    changed = [dict(row) for row in rows]
    place = data.draw(st.integers(1, len(rows[number]["code"]) - 1))
    added = data.draw(st.sampled_from([",", "\n", '""', "x"]))
    changed[number]["code"] = rows[number]["code"][:place] + added + rows[number]["code"][place:]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(changed)
    pairs, lost = read(tmp_path_factory.getbasetemp() / "inside.csv", text.getvalue())
    assert pairs == [(row["nl"], row["code"]) for row in changed] and not lost
