"""What published protocols call right, by examples that were worked out by hand."""

import math

import pytest

from experiments.benchmarks.protocols import card_bleu, card_tokens, quoted_values, tae_form, tranx_form

SAME = [  # description, one way to write it, another
    ("call f with x", "f ( x )", "f(x)"),
    ("call f with 'a'", "f ( 'a' )", 'f("a")'),
    ("call f with string 'a b'", "f('a b')", "f(u'a b')"),
    ("if x,", "if x :", "if (x):"),
    ("if not,", "else :", "else:"),
    ("if y,", "elif y :", "elif y:"),
    ("try,", "try :", "try:"),
    ("exception,", "except ValueError as e :", "except ValueError as e:"),
    ("decorator,", "@ f", "@f"),
    ("return,", "return ( x )", "return x"),
]
DIFFERENT = [
    ("call f with x", "f(x)", "f(y)"),
    ("call f with 'a'", "f('a')", "f('b')"),
    ("broken", "f (", "f ( x"),
    ("call f", "f(X)", "f(x)"),
]


@pytest.mark.parametrize(("description", "one", "other"), SAME)
def test_tranx_looks_through_the_way_code_is_written(description, one, other):
    assert tranx_form(one, description) == tranx_form(other, description)
    assert tae_form(one, description) == tae_form(other, description)


@pytest.mark.parametrize(("description", "one", "other"), DIFFERENT)
def test_other_code_is_other_code(description, one, other):
    assert tranx_form(one, description) != tranx_form(other, description)


def test_tae_has_no_capitals():
    assert tae_form("f(X)", "") == tae_form("F(x)", "")
    assert tranx_form("f(X)", "") != tranx_form("F(x)", "")


def test_strings_of_the_description_are_slots():
    assert quoted_values("set 'a' to \"b c\" and 'a'") == {"a": "_STR:0_", "b c": "_STR:1_"}
    assert tranx_form("x = { 'b c' : 'd' }", "map 'a' and 'b c'") == "x = {'_STR:1_': 'd'}"


def test_cards_are_cut_at_signs_and_capitals():
    assert card_tokens("class DireWolf(MinionCard):\n    x='a'") == [
        "class", "Dire", "Wolf", "(", "Minion", "Card", ")", ":", "x", "=", "`", "a", "`",
    ]  # fmt: skip


def test_sentence_bleu_by_hand():
    """Four tokens of which the last is wrong: precisions 3/4, 2/3, 1/2, and for no 4-gram of one 1/2 (NIST)."""
    assert card_bleu(["a b c d"], ["a b c d"]) == pytest.approx([100.0])
    expected = 100 * math.exp(sum(map(math.log, (3 / 4, 2 / 3, 1 / 2, 1 / 2))) / 4)
    assert card_bleu(["a b c d"], ["a b c e"]) == pytest.approx([expected])
