"""Lines that no program has are cut into tokens in a moment, and ordinary ones as ever."""

import time

import pytest

from data.code.identifiers import find_identifiers
from data.code.tokens import LONGEST_LINE, split_tokens, too_long_to_cut

ENDLESS = {"escaped quotes": "'" + "\\'", "quotes": '"\\"', "apostrophes": "'a ", "f-strings": "f'{", "shells": '$("'}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("language", ["python", "bash", "sql"])
def test_a_line_of_a_megabyte_is_cut_in_a_moment(name, language):
    text = ENDLESS[name][:1] + ENDLESS[name] * 300_000
    before = time.process_time()
    tokens = split_tokens(text, language)
    assert time.process_time() - before < 5
    assert "".join(tokens) == text.replace(" ", "")
    assert find_identifiers(text) == []


@pytest.mark.parametrize("language", ["python", "bash", "sql"])
def test_the_longest_line_that_counts_as_code_takes_a_moment(language):
    text = ("'" + "\\'" * LONGEST_LINE)[:LONGEST_LINE]
    before = time.process_time()
    split_tokens(text, language), find_identifiers(text)
    assert time.process_time() - before < 10


def test_long_programs_of_ordinary_lines_are_code():
    code = "total = total + 1  # and so on\n" * 2000
    assert not too_long_to_cut(code) and split_tokens(code)[:6] == ["total", "=", "total", "+", "1", "<line>"]
    assert len(find_identifiers(code)) == 4000
    assert too_long_to_cut(code, "bash") and split_tokens("x" * LONGEST_LINE + " # y") == ["x" * LONGEST_LINE, "#", "y"]
