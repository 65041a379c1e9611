"""Literals of a description become slots and come back letter by letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import DataConfig
from data.example import Example
from data.slots import hide, hide_in_description, restore, slots

QUOTES = ("'a'", '"b c"', "''", "'", '"')
IN_DESCRIPTIONS = [*QUOTES, "word", "it's", "\n", "x =", "my_x", "a.b.c", "self.d1", "r.match"]
IN_CODE = [*QUOTES, "x", "=", "(", "f", "r'a'", "my_x", "a", ".", "b", "d1", "r"]
STRINGS, NAMES, NOTHING = DataConfig(slots=True), DataConfig(slots=True, name_slots=True), DataConfig()


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
    hidden = hide(pair(nl, code), STRINGS)
    assert (hidden.nl, hidden.code) == (hidden_nl, hidden_code)
    assert hide_in_description(nl, STRINGS) == hidden_nl
    assert restore(hidden.code, nl, STRINGS) == code
    assert hide(pair(nl, code), NOTHING) == pair(nl, code) and restore(code, nl, NOTHING) == code


@pytest.mark.parametrize(
    ("nl", "code", "hidden_nl", "hidden_code"),
    [
        ("call m.group with int_part.", "m . group ( int_part )", "call NAME0.NAME1 with NAME2.",
         "NAME0 . NAME1 ( NAME2 )"),
        ("set self.name to MAX_2", "self . name = MAX_2", "set self.NAME0 to NAME1", "self . NAME0 = NAME1"),
        ("raise a ValueError with 'a_b'", "raise ValueError ( 'a_b' )", "raise a NAME0 with SLOT0",
         "raise NAME0 ( SLOT0 )"),
        ("if x is None, return value", "return value", "if x is None, return value", "return value"),
        ("with raw string 'a_b', my_x", "re . f ( r'a_b' , my_x , 'my_x' )", "with raw string SLOT0, NAME0",
         "re . f ( rSLOT0 , NAME0 , 'my_x' )"),
        ("call r.match with 'a'", "r . match ( r'a' )", "call NAME0.NAME1 with SLOT0", "NAME0 . NAME1 ( rSLOT0 )"),
        ("my_x and my_xy", "my_xy0 + my_x + 0x1f", "NAME0 and NAME1", "my_xy0 + NAME0 + 0x1f"),
    ],
)  # fmt: skip
def test_words_that_look_like_code_are_hidden_too(nl, code, hidden_nl, hidden_code):
    hidden = hide(pair(nl, code), NAMES)
    assert (hidden.nl, hidden.code) == (hidden_nl, hidden_code)
    assert restore(hidden.code, nl, NAMES) == code


@pytest.mark.parametrize("code", ["return'a'", "'a''b'", "f'a'", "'a'if x else y"])
def test_a_literal_that_touches_its_neighbours_is_written(code):
    nl = "the strings 'a' and 'b'"
    hidden = hide(pair(nl, code), STRINGS)
    assert restore(hidden.code, nl, STRINGS) == code and (hidden.code == code) == (hidden.nl == nl)


def test_slots_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="add --data.slots"):
        DataConfig(name_slots=True)
    with pytest.raises(ValueError, match="with data.reverse"):
        DataConfig(slots=True, reverse=True)


def test_a_slot_that_was_made_up_stays():
    assert restore("f(SLOT3, SLOT0)", "call f with 'a'", STRINGS) == "f(SLOT3, 'a')"


def test_text_without_a_description_stays():
    assert hide(Example("e:1", None, "a = 'x'"), STRINGS).code == "a = 'x'"


@pytest.mark.parametrize("data", [STRINGS, NAMES], ids=["strings", "names"])
@given(
    st.sampled_from(["", " "]),
    st.lists(st.sampled_from(IN_DESCRIPTIONS), max_size=8),
    st.lists(st.sampled_from(IN_CODE), max_size=8),
)
def test_hiding_and_restoring_is_lossless(data, between, nl, code):
    nl, code = " ".join(nl), between.join(code)
    hidden = hide(pair(nl, code), data)
    assert restore(hidden.code, nl, data) == code
    assert not slots(nl, data).keys() & slots(hidden.nl, data).keys()


def test_the_name_of_a_task_in_front_of_a_description_is_no_slot():
    data = DataConfig(slots=True, name_slots=True, prefix="django: ")
    example = pair("django: from django.db import models as 'm'", "from django . db import models")
    hidden = hide(example, data)
    assert hidden.nl == "django: from NAME0.NAME1 import models as SLOT0"
    assert hidden.code == "from NAME0 . NAME1 import models"
    assert restore(hidden.code, example.nl, data) == example.code
