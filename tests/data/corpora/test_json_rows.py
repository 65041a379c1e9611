"""What is wrong with JSON is said, with its line and column, and one edit makes no pair of two rows."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpora.json_rows import json_lines, json_list
from system.errors import UserError

GOOD = '{"nl": "one", "code": "1"}'
FAULTS = {
    r'{"nl": "a", "code": "C:\Users"}': (24, "backslash"),
    r'{"nl": "a", "code": "\d+"}': (22, "backslash"),
    '{"nl": "a\tb", "code": "c"}': (10, "control character"),
    "{'nl': 'a'}": (2, "single quotes"),
    '{"nl": "a", "code": "b",}': (25, "comma too many"),
    '{"nl": ["a",], "code": "b"}': (13, "comma too many"),
    '{"nl": None, "code": "b"}': (8, "Python"),
    '{nl: "a"}': (2, "without double quotes"),
    '{“nl”: "a"}': (2, "typographic"),
    '{"nl": "a" // why\n}': (12, "comment"),
    '{"nl": "say "hi"", "code": "b"}': (14, "a quote inside"),
    '{"nl" "a"}': (7, "colon"),
    '{"nl": , "code": "b"}': (8, "no value"),
    '{"nl": "a, "code": "b"}': (13, "a quote inside"),
}


@pytest.mark.parametrize(("text", "fault"), FAULTS.items(), ids=range(len(FAULTS)))
def test_a_fault_is_named_with_its_line_and_column(tmp_path, text, fault):
    column, words = fault
    (tmp_path / "a.jsonl").write_text(f"{GOOD}\n{text}".split("\n}")[0] + "\n" + GOOD, encoding="utf-8")
    bad = [row for row in json_lines(tmp_path / "a.jsonl") if row.problem]
    assert [(row.place, row.lost) for row in bad] == [(f"{tmp_path / 'a.jsonl'}:2:{column}", 1)]
    assert words in bad[0].problem and "cut" not in bad[0].problem
    (tmp_path / "a.json").write_text(f"[{GOOD},\n{text}]", encoding="utf-8")
    with pytest.raises(UserError, match=rf"a.json:2:{column}: .*{words}"):
        list(json_list(tmp_path / "a.json"))


@pytest.mark.parametrize("end", range(1, len(GOOD)))
def test_a_line_that_is_cut_is_called_so_and_a_whole_one_needs_no_line_end(tmp_path, end):
    (tmp_path / "a.jsonl").write_text(f"{GOOD}\n{GOOD[:end]}")
    first, last = json_lines(tmp_path / "a.jsonl")
    assert not first.problem and ("cut in half" in last.problem or (end == 1 and "whole object" in last.problem))
    (tmp_path / "a.jsonl").write_text(f"{GOOD}\n{GOOD}")
    assert [row.problem for row in json_lines(tmp_path / "a.jsonl")] == ["", ""]


REFUSED = {
    f"[{GOOD}][{GOOD}]": ":1: '[{",
    f"[{GOOD}]\n\n]": ":3: ']'",
    f"[{GOOD}]\n\ufeff[]": "stands behind the end",
    f"[{GOOD}\n{GOOD}]": ":1: no comma",
    f"{GOOD}\n{GOOD}": "name it .jsonl",
    f'{{"data": [{GOOD}]}}': "write the list 'data'",
    "<html></html>": "HTML",
    '{"nl": {"0": "one"}, "code": {"0": "1"}}': "orient='records'",
    '{"0": {"nl": "one", "code": "1"}, "1": {"nl": "two", "code": "2"}}': "orient='records'",
    '{"columns": ["nl", "code"], "index": [0], "data": [["one", "1"]]}': "orient='records'",
    '{"cells": [], "metadata": {}, "nbformat": 4}': "notebook",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_no_one_list_is_refused(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        list(json_list(tmp_path / "a.json"))
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("end", ["", " ", "\n", "\r\n\t "])
def test_blanks_behind_the_list_are_nothing(tmp_path, end):
    (tmp_path / "a.json").write_text(f"[{GOOD}]{end}")
    assert [row.values["code"] for row in json_list(tmp_path / "a.json")] == ["1"]


def test_rows_on_one_line_have_places_of_their_own(tmp_path):
    (tmp_path / "a.json").write_text(f"[{GOOD}, {GOOD},\n{GOOD}, [], []]")
    places = [row.place.removeprefix(f"{tmp_path / 'a.json'}:") for row in json_list(tmp_path / "a.json")]
    assert places == ["1", "1:30", "2", "2:29", "2:33"]


def test_objects_that_share_a_line_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text(f"{GOOD}{GOOD} {GOOD}\n{GOOD}\n")
    bad, good = json_lines(tmp_path / "a.jsonl")
    assert (bad.lost, good.lost, good.problem) == (3, 1, "")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_edit_makes_no_pair_of_two_rows(tmp_path_factory, data):
    texts = st.text(st.sampled_from('ab",:{}[]\\\n '), max_size=8)
    rows = [{"nl": f"N{n}{data.draw(texts)}", "code": f"{data.draw(texts)}C{n}"} for n in range(4)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        edited = text[:place] + data.draw(st.sampled_from('",\n')) + text[place:]
    else:
        place = data.draw(st.sampled_from([place for place, character in enumerate(text) if character in '",\n']))
        edited = text[:place] + text[place + 1 :]
    path = tmp_path_factory.getbasetemp() / "edited.jsonl"
    path.write_text(edited, encoding="utf-8")
    found = list(json_lines(path))
    values = [row.values for row in found if row.values is not None]
    changed = [value for value in values if value not in rows]
    assert len(changed) <= 1, edited
    for value in changed:
        marks = re.findall(r"N.?(\d)|C.?(\d)", str(value))
        assert len({nl or code for nl, code in marks}) <= 1, edited
    assert len(values) + sum(row.lost for row in found if row.problem) >= len(rows), edited


def test_a_list_under_the_other_name_and_rows_without_names_get_their_mend(tmp_path):
    (tmp_path / "a.jsonl").write_text(f"\n[\n{GOOD},\n{GOOD}\n]\n")
    with pytest.raises(UserError, match=r"a.jsonl:2 begins one list .* rename it to a.json"):
        list(json_lines(tmp_path / "a.jsonl"))
    (tmp_path / "a.json").write_text('[["one", "1"]]')
    assert [row.problem for row in json_list(tmp_path / "a.json") if "orient='records'" in row.problem]
