"""Alignments are difflib's as long as they are cheap, and true and quick when they are not."""

import time
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.example import Example
from evaluation.aligned import opcodes
from evaluation.baselines import substitute_aligned_words
from evaluation.report.diff import diff, marked

TOKENS = st.lists(st.sampled_from("abcd"), max_size=14)
LONG = 3000
REPETITIVE = {
    "one word": ("self . " * 600, "def f(x):\n    return self . value + 1\n" * 90),
    "commas": (", " * 2000, "x, " * 1500), "brackets": ("[" * 3000, "[]" * 1500),
    "zeros": ("x = [" + "0, " * 400 + "]", "x = [" + "0, " * 900 + "]"), "two words": ("a b " * 750, "b a  " * 600),
    "signs": ("(-" * 1500, "-)" * 1500), "one letter": ("- " * 1500, "- " * 1400),
}  # fmt: skip


@given(TOKENS, TOKENS)
def test_cheap_alignments_are_those_of_difflib(left, right):
    assert opcodes(left, right) == SequenceMatcher(None, left, right, autojunk=False).get_opcodes()


@given(TOKENS, TOKENS, st.integers(0, 60))
def test_an_alignment_that_was_cut_short_is_still_true(left, right, most):
    found = opcodes(left, right, most)
    assert [token for _, i1, i2, _, _ in found for token in left[i1:i2]] == left
    assert [token for _, _, _, j1, j2 in found for token in right[j1:j2]] == right
    assert all(left[i1:i2] == right[j1:j2] for kind, i1, i2, j1, j2 in found if kind == "equal")


def test_of_what_is_too_repetitive_beginning_and_end_are_compared():
    left, right = [*"xy", *"a" * 50, *"z"], [*"xy", *"a" * 40, "b", *"z"]
    assert [code for code in opcodes(left, right, 100) if code[0] == "equal"] == [
        ("equal", 0, 42, 0, 42), ("equal", 52, 53, 43, 44),
    ]  # fmt: skip


@pytest.mark.parametrize("name", REPETITIVE)
def test_repetitive_texts_are_compared_in_a_moment(name):
    reference, prediction = (text[:LONG] for text in REPETITIVE[name])
    before = time.process_time()
    pieces = diff(reference, prediction)
    assert time.process_time() - before < 3  # a minute and more by difflib alone; here a fifth of a second
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == reference
    assert "".join(piece.text for piece in pieces if piece.kind != "missing") == prediction
    assert marked(pieces, "added")


def test_words_of_a_book_are_put_into_a_books_code_in_a_moment():
    words = " ".join(f"w{number}" for number in range(30_000))
    neighbour = Example("1", words, words)
    before = time.process_time()
    assert substitute_aligned_words(words.replace("w", "v"), neighbour) == words
    substitute_aligned_words("call it " * 20_000, Example("1", "it call " * 20_000, "it"))
    assert time.process_time() - before < 10
