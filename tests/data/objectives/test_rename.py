"""Renaming changes what both sides share, the same way on both, and nothing else."""

import ast
import re

from hypothesis import given
from hypothesis import strategies as st

from data.example import Example
from data.objectives import example_generator
from data.objectives.rename import KEPT, rename

TRAINING_WORDS = ["get_response", "HttpRequest", "cacheTimeout", "MAX_AGE", "template"]
PLAIN = re.compile(r"\w+")


def renamed(nl, code, epoch=0, share=1.0, **fields):
    return rename(Example("x", nl, code, **fields), TRAINING_WORDS, example_generator(0, epoch, "x"), share)


def test_a_shared_name_is_replaced_everywhere_by_one_new_name():
    after = renamed("call the method pickle.loads with pickle", "return pickle . loads ( pickle )")
    new = re.fullmatch(r"return (\w+) \. (\w+) \( (\w+) \)", after.code)
    assert new[1] == new[3] != "pickle" and new[2] != "loads"
    assert after.nl == f"call the method {new[1]}.{new[2]} with {new[1]}"


def test_a_word_on_one_side_only_is_not_touched():
    after = renamed("substitute result for cache_key", "cache_key = compute ( other )")
    assert after.nl.startswith("substitute result for ")
    assert after.code.endswith(" = compute ( other )")
    assert "cache_key" not in after.nl + after.code


def test_keywords_builtins_dunders_self_and_short_words_stay():
    for text in ("return len ( self )", "if xs is None : raise ValueError", "def __init__ ( self , x ) :"):
        assert (renamed(text, text).nl, renamed(text, text).code) == (text, text)


def test_a_slot_is_a_name_like_any_other():
    after = renamed("call NAME0.NAME1 with SLOT0", "NAME0 . NAME1 ( rSLOT0 )")
    first, second, end = re.fullmatch(r"(\w+) \. (\w+) (.*)", after.code).groups()
    assert after.nl == f"call {first}.{second} with SLOT0" and end == "( rSLOT0 )"
    assert not {first, second} & {"NAME0", "NAME1"}


def test_the_name_of_the_task_stays():
    found = [renamed("describe django: django of loader", "import django ; loader", epoch) for epoch in range(20)]
    assert all(after.nl.startswith("describe django: django of ") for after in found)
    assert all(after.code.startswith("import django ; ") for after in found)
    assert len({after.code for after in found}) > 5


def test_only_whole_words_are_names():
    after = renamed("use load and reload", "load ( preload , load2 )")
    new = after.code.split(" ")[0]
    assert after.nl == f"use {new} and reload"
    assert after.code == f"{new} ( preload , load2 )"


def test_a_shared_string_is_replaced_with_its_quotes_kept():
    after = renamed("write string 'no such file' to out", "out . write ( 'no such file' )")
    literals = re.findall("'[^']*'", after.nl) + re.findall("'[^']*'", after.code)
    assert len(set(literals)) == 1 and literals[0] != "'no such file'"
    assert all(word in TRAINING_WORDS for word in literals[0].strip("'").split(" "))


def test_a_string_without_words_stays():
    after = renamed("split text at '. '", "text . split ( '. ' )")
    assert "'. '" in after.nl and "'. '" in after.code


def test_the_case_of_a_name_is_kept():
    for epoch in range(30):
        after = renamed("file_name ImproperlyConfigured MAX_SIZE", "ImproperlyConfigured MAX_SIZE file_name", epoch)
        first, second, third = after.code.split(" ")
        assert first[0].isupper() and "_" not in first
        assert second == second.upper() and third == third.lower()


def test_new_names_are_identifiers_that_stood_nowhere_and_differ():
    old = ["alpha", "beta", "gamma", "http", "template"]
    for epoch in range(200):
        new = renamed(" ".join(old), " ".join(old), epoch).code.split(" ")
        assert len(set(new)) == 5
        assert all(word.isidentifier() and word not in KEPT for word in new)
        assert all(after == before or after not in old for before, after in zip(old, new, strict=True))


def test_renamed_python_still_parses():
    code = "def get_total(values, name):\n    total = sum(values)\n    return {'the name': name, 'total': total}"
    for epoch in range(50):
        ast.parse(renamed("get_total of values by name with total under 'the name'", code, epoch).code)


def test_the_share_decides_how_many_are_replaced():
    nl = "alpha beta gamma delta epsilon"
    changed = [
        a != b for epoch in range(300)
        for a, b in zip(nl.split(" "), renamed(nl, nl, epoch, share=0.3).code.split(" "), strict=True)
    ]
    assert abs(sum(changed) / len(changed) - 0.3) < 0.05
    assert renamed(nl, nl, share=0.0).code == nl


def test_the_generator_decides_everything():
    assert renamed("load total_count", "load ( total_count )") == renamed("load total_count", "load ( total_count )")
    assert renamed("load total_count", "load ( total_count )") != renamed("load total_count", "load ( total_count )", 1)


def test_tests_that_call_the_old_name_are_dropped():
    assert renamed("return total", "def total(): pass", tests=("assert total() is None",)).tests == ()
    assert renamed("nothing shared", "x = 1", tests=("assert x == 1",)).tests == ("assert x == 1",)


def test_unlabelled_text_and_an_empty_list_of_words_change_nothing():
    example = Example("x", None, "total = 1")
    assert rename(example, TRAINING_WORDS, example_generator(0, 0, "x")) is example
    pair = Example("x", "total", "total = 1")
    assert rename(pair, [], example_generator(0, 0, "x")) is pair


@given(st.text("abcAB_1 '\".\n", max_size=40), st.text("abcAB_1 '\".\n", max_size=40), st.integers(0, 50))
def test_what_is_not_shared_survives_any_text(nl, code, epoch):
    after = renamed(nl, code, epoch)
    for before, words, other in ((nl, after.nl, code), (code, after.code, nl)):
        alone = [word for word in PLAIN.findall(before) if word not in PLAIN.findall(other)]
        assert [word for word in PLAIN.findall(words) if word in alone] == alone
