"""Perturbed descriptions: only words that carry nothing to be copied change, and a little at a time."""

import difflib
import re

import numpy
import pytest

from data.example import Example
from data.objectives import example_generator
from data.perturb import GROUPS, PERTURBATIONS, SYNONYMS, changed_word, perturb, plain_words
from data.splits import reverse

EXAMPLE = Example(
    "e:1",
    "call the method get_cache with 2 arguments: self.key and string 'the value', substitute the result for key.",
    "key = get_cache ( self . key , 'the value' )",
)  # fmt: skip


def words(nl, code=""):
    return [nl[start:end] for start, end in plain_words(nl, code)]


def test_names_quotes_and_what_the_code_has_are_left_alone():
    assert words(EXAMPLE.nl, EXAMPLE.code) == [
        "call", "method", "with", "arguments", "and", "string", "substitute", "result", "for",
    ]  # fmt: skip
    assert words("describe django: call it") == ["call", "it"]
    assert words("open os.path with pre-fix of call(x) at the end.") == ["open", "with", "of", "at", "the", "end"]


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_code_that_is_read_is_left_alone(kind):
    turned = reverse(EXAMPLE)
    assert turned.nl == EXAMPLE.code and perturb(turned, kind, numpy.random.default_rng(0)) == turned


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_a_fifth_of_the_words_change_and_nothing_else(kind):
    allowed = set(words(EXAMPLE.nl, EXAMPLE.code))
    for seed in range(40):
        other = perturb(EXAMPLE, kind, numpy.random.default_rng(seed), share=0.2)
        assert other.code == EXAMPLE.code and other.id == EXAMPLE.id and other.nl != EXAMPLE.nl
        before, after = (re.findall(r"[\w.']+|:|,", nl) for nl in (EXAMPLE.nl, other.nl))
        gone = [before[i] for op, i, j, *_ in difflib.SequenceMatcher(None, before, after).get_opcodes()
                if op != "equal" for i in range(i, j)]  # fmt: skip
        assert 1 <= len(gone) <= 2 and {re.sub(r"\W", "", word) for word in gone} <= allowed
        assert len(before) - len(after) == (len(gone) if kind == "drops" else 0)


def test_all_may_change_at_once_and_nothing_where_nothing_may():
    dropped = perturb(EXAMPLE, "drops", numpy.random.default_rng(0), share=1.0).nl
    assert words(dropped, EXAMPLE.code) == []
    assert "get_cache" in dropped and "'the value'" in dropped and "self.key" in dropped
    bare = Example("e:2", "x 'the call'", "x")
    assert all(perturb(bare, kind, numpy.random.default_rng(0)) == bare for kind in PERTURBATIONS)
    assert perturb(Example("e:3", None, "x"), "drops", numpy.random.default_rng(0)).nl is None


def test_a_dropped_word_takes_one_blank_along_and_leaves_all_others():
    example = Example("e:4", "append 'a  b'  twice  to the list", "x")
    found = {perturb(example, "drops", numpy.random.default_rng(seed)).nl for seed in range(60)}
    assert found == {
        "'a  b'  twice  to the list", "append 'a  b'   to the list", "append 'a  b'  twice  the list",
        "append 'a  b'  twice  to list", "append 'a  b'  twice  to the",
    }  # fmt: skip


def test_the_same_example_changes_in_the_same_way():
    one, two = (perturb(EXAMPLE, "typos", example_generator(0, 0, EXAMPLE.id)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("word", ["aaaa", "call", "return"])
def test_a_typo_is_one_swapped_lost_or_doubled_letter(word):
    seen = {changed_word(word, "typos", numpy.random.default_rng(seed)) for seed in range(200)}
    lost = {word[:i] + word[i + 1 :] for i in range(len(word))}
    doubled = {word[: i + 1] + word[i:] for i in range(len(word))}
    swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    assert seen <= (lost | doubled | swapped) - {word} and seen & lost and seen & doubled


def test_synonyms_go_both_ways():
    assert all(word not in others and others for word, others in SYNONYMS.items())
    assert sum(map(len, GROUPS)) == len(SYNONYMS)  # no word is in two groups
