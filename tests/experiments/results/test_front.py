"""README's ten rows follow from the recorded lines, and say what is an ensemble, a reranker or one seed."""

import re

import pytest

from experiments.record.lines import read_suites
from experiments.record.measurement import ROOT
from experiments.results.front import front_table


@pytest.fixture(scope="module")
def rows():
    table = front_table(read_suites(ROOT / "docs" / "results")).splitlines()
    return {line.split(" | ")[0].removeprefix("| "): line for line in table[2:] if line.startswith("|")}


def test_there_are_ten_rows_of_four_columns_and_each_has_a_command(rows):
    assert len(rows) == 10
    assert all(len(row.split(" | ")) == 4 and re.search(r"`python [^`]+` \|$", row) for row in rows.values())
    assert not any("not run" in row for row in rows.values())


def test_rows_are_short(rows):
    assert max(map(len, rows.values())) <= 160


def test_a_figure_of_several_networks_or_of_one_seed_says_so(rows):
    assert "3 networks, reverse reranker" in rows["And with all that helps?"]
    for question in ("How many of its programs", "Django lines", "And Bash"):
        assert any("one seed" in row for name, row in rows.items() if name.startswith(question))


def test_bad_news_is_among_them(rows):
    assert "17.7 BLEU" in rows["And Bash, new templates?"] and "look-up 23.8" in rows["And Bash, new templates?"]
    assert "0.66 times (slower)" in next(row for name, row in rows.items() if name.startswith("How fast does it write"))


def test_what_was_not_run_says_so():
    assert front_table({}).count("| not run |") == 10
