"""What is held out, and which pairs stand in two splits."""

import math
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import DataConfig
from data.corpora.held_out import data_hash, duplicates, hold_out, normalised_pair, older_data_hash, pairs_hash
from data.example import Example
from data.sources import open_source

DATA = Path(os.environ.get("CODEGEN_DATA", "../shared/data"))


def corpus(n=500, repeat=3):
    """n examples, every `repeat` of which are the same pair with other blanks."""
    return [Example(f"c:{i}", f"do  thing {i // repeat}" + " " * (i % 2), f"f({i // repeat})") for i in range(n)]


def ids(examples):
    return [example.id for example in examples]


def test_no_pair_stands_on_both_sides():
    train, held = hold_out(corpus(), 40, seed=1)
    assert held and not {normalised_pair(e) for e in train} & {normalised_pair(e) for e in held}
    assert sorted(ids(train) + ids(held)) == sorted(ids(corpus()))


def test_about_as_many_are_held_out_as_asked_for():
    assert 40 <= len(hold_out(corpus(), 40, seed=1)[1]) < 40 + 3


def test_at_most_a_tenth_is_held_out_of_a_small_corpus():
    train, held = hold_out(corpus(100, repeat=1), 1000, seed=1)
    assert (len(train), len(held)) == (90, 10)


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(0, 50), st.integers(0, 3))
def test_however_many_copies_there_are_at_most_a_tenth_is_held_out(copies, n, seed):
    examples = [Example(f"{i}:{j}", f"do {i}", "f()") for i, number in enumerate(copies) for j in range(number)]
    train, held = hold_out(examples, n, seed)
    assert len(held) <= math.ceil(len(examples) / 10) and len(train) + len(held) == len(examples)
    assert not {normalised_pair(e) for e in train} & {normalised_pair(e) for e in held}


def test_a_pair_that_would_be_more_than_a_tenth_is_passed_over_for_the_next():
    often = [Example(f"often:{i}", "do it", "f()") for i in range(50)]
    once = [Example(f"once:{i}", f"do {i}", "f()") for i in range(50)]
    for seed in range(5):
        assert hold_out(often, 500, seed) == (often, [])
        held = hold_out([*often, *once], 500, seed)[1]
        assert len(held) == 10 and all(example in once for example in held)


def test_a_users_data_are_the_same_under_another_name_and_in_another_order_but_for_their_hash():
    one = [Example(f"train:{i}", f"do {i}", "f()", meta={"place": f"one.csv:{i}"}) for i in range(5)]
    other = [Example(f"train:{i}", f"do {i}", "f()", meta={"place": f"other.csv:{i}"}) for i in range(5)]
    assert data_hash(one) == data_hash(other) and older_data_hash(one) != older_data_hash(other)
    assert pairs_hash(one) == pairs_hash([*one[::-1], one[2]]) and data_hash(one) != data_hash(one[::-1])
    assert pairs_hash(one) != pairs_hash(one[1:])


def test_nothing_is_held_out_when_none_is_asked_for():
    assert hold_out(corpus(), 0, seed=1) == (corpus(), [])


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(rng: random.Random):
    examples = corpus(120)
    shuffled = rng.sample(examples, len(examples))
    assert set(ids(hold_out(shuffled, 9, seed=1)[1])) == set(ids(hold_out(examples, 9, seed=1)[1]))


def test_one_example_more_moves_only_the_boundary():
    examples = corpus(1000, repeat=1)
    before = set(ids(hold_out(examples, 50, seed=1)[1]))
    after = set(ids(hold_out([*examples, Example("new", "another", "g()")], 50, seed=1)[1]))
    assert len(before ^ after) <= 2


def test_another_seed_holds_out_another_part():
    assert ids(hold_out(corpus(), 40, seed=1)[1]) != ids(hold_out(corpus(), 40, seed=2)[1])


def test_both_parts_keep_the_order_of_the_lines():
    for part in hold_out(corpus(), 40, seed=1):
        assert ids(part) == sorted(ids(part), key=lambda name: int(name.split(":")[1]))


def test_blanks_do_not_hide_a_duplicate():
    train = [Example("t:1", "return  x", "return x")]
    examples = [
        Example("d:1", "return x ", "return\tx"),
        Example("d:2", "return x", "return y"),
        Example("d:3", "return", "x return x"),
    ]
    assert duplicates(train, examples) == {"d:1"}


@pytest.mark.skipif(not (DATA / "django").is_dir(), reason="no published corpora here (set CODEGEN_DATA)")
def test_djangos_dev_lines_stand_in_training_as_often_as_published():
    splits = open_source("django", DataConfig(path=str(DATA / "django")), seed=1).splits()
    train, dev = list(splits["train"]), list(splits["dev"])
    assert len(duplicates(train, dev)) == 192 and len(dev) == 1000
    held = hold_out(train, 1000, seed=1)[1]
    assert 1000 <= len(held) < 1100
