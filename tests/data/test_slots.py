"""Literals of a description become slots and come back letter by letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.example import Example
from data.slots import hide, hide_in_description, literals, restore


def pair(nl, code):
    return Example("e:1", nl, code)


@pytest.mark.parametrize(
    ("nl", "code", "hidden_nl", "hidden_code"),
    [
        ("set a to string '.up'", "a = '.up'", "set a to string SLOT0", "a = SLOT0"),
        ("join 'x' and \"y z\", then 'x'", "'x' + \"y z\" + 'x'", "join SLOT0 and SLOT1, then SLOT0",
         "SLOT0 + SLOT1 + SLOT0"),
        ("return an empty string", "return ''", "return an empty string", "return ''"),  # it has to be written
        ("the string 'a'", 'f ( "a" )', "the string SLOT0", 'f ( "a" )'),  # other quotes are another text
        ("self's value and the class' name", "a", "self's value and the class' name", "a"),
        (r"the string 'it\'s'", r"'it\'s'", "the string SLOT0", "SLOT0"),
        ("SLOT0 is 'a'", "SLOT0 = 'a'", "SLOT0 is 'a'", "SLOT0 = 'a'"),  # a name that is a slot's: nothing is hidden
        ("the string ''", "''", "the string SLOT0", "SLOT0"),
    ],
)  # fmt: skip
def test_what_is_quoted_in_the_description_is_hidden_on_both_sides(nl, code, hidden_nl, hidden_code):
    hidden = hide(pair(nl, code))
    assert (hidden.nl, hidden.code) == (hidden_nl, hidden_code)
    assert hide_in_description(nl) == hidden_nl
    assert restore(hidden.code, nl) == code


def test_a_slot_that_was_made_up_stays():
    assert restore("f(SLOT3, SLOT0)", "call f with 'a'") == "f(SLOT3, 'a')"


def test_text_without_a_description_stays():
    assert hide(Example("e:1", None, "a = 'x'")).code == "a = 'x'"


@given(st.lists(st.sampled_from(["'a'", '"b c"', "word", "it's", "''", "'", '"', "\n", "x ="]), max_size=8),
       st.lists(st.sampled_from(["'a'", '"b c"', "x", "=", "''", "(", "f"]), max_size=8))  # fmt: skip
def test_hiding_and_restoring_is_lossless(nl, code):
    nl, code = " ".join(nl), " ".join(code)
    hidden = hide(pair(nl, code))
    assert restore(hidden.code, nl) == code
    assert not set(literals(nl)) & set(literals(hidden.nl))
