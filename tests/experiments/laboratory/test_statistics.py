"""Paired comparisons against scipy's and statistics' own worked examples, and what a suite without effects says."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.laboratory.claims import Claim, answer
from experiments.laboratory.statistics import (
    LARGER,
    NO_EFFECT,
    NOT_ENOUGH,
    OUT_OF_REGIME,
    SMALLER,
    THERE,
    UNDECIDED,
    Effect,
    effect_of,
    effect_of_interval,
    holm,
    in_words,
    is_inside,
    paired_effect,
    seeds_needed,
    t_interval,
    t_quantile,
)


def test_an_effect_is_scipys_paired_t_test():
    base = {1: 2.0, 2: 2.4, 3: 1.9, 4: 2.2, 5: 2.1, 6: 9.0}
    row = {1: 2.3, 2: 2.5, 3: 2.4, 4: 2.3, 5: 2.6, 7: 0.0}
    effect = paired_effect(base, row)
    expected = stats.ttest_rel([row[seed] for seed in range(1, 6)], [base[seed] for seed in range(1, 6)])
    assert effect.n == 5 and effect.decides
    assert effect.p == pytest.approx(expected.pvalue)
    assert (effect.low, effect.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (effect.inner_low, effect.inner_high) == pytest.approx(tuple(expected.confidence_interval(0.90)))


def test_one_shared_seed_is_no_effect_at_all():
    assert paired_effect({1: 2.0, 2: 3.0}, {1: 2.5}) is None


def test_the_same_difference_every_time_is_surely_an_effect_unless_it_is_none():
    assert effect_of([0.5, 0.5, 0.5]).p == 0
    assert effect_of([0.0, 0.0, 0.0]).p == 1


@pytest.mark.parametrize(
    ("level", "freedom", "printed"),
    [(0.90, 1, 6.314), (0.90, 4, 2.132), (0.90, 30, 1.697), (0.95, 1, 12.706), (0.95, 4, 2.776), (0.99, 7, 3.499)],
)
def test_quantiles_are_those_of_the_printed_tables(level, freedom, printed):
    assert t_quantile(level, freedom) == pytest.approx(printed, abs=6e-4)


def test_a_t_interval_by_hand():
    # Five values with mean 3 and standard deviation sqrt(2.5); t(0.975, 4) = 2.776 from any table.
    low, high = t_interval([1, 2, 3, 4, 5], 0.95)
    assert high - 3 == pytest.approx(2.776 * (2.5 / 5) ** 0.5, abs=1e-3) and low == pytest.approx(6 - high)


def test_holm_by_hand():
    # Holm 1979: 0.01 * 4, 0.02 * 3, 0.03 * 2, and 0.04 not below the one before.
    adjusted = holm({"d": 0.04, "a": 0.01, "c": 0.03, "b": 0.02})
    assert adjusted == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_says_more_than_the_single_tests_and_never_less_than_bonferroni(p_values):
    named = {str(place): p for place, p in enumerate(p_values)}
    adjusted = holm(named)
    for name, p in named.items():
        assert p <= adjusted[name] <= min(1.0, len(named) * p) or adjusted[name] == pytest.approx(p)
    in_order = sorted(named, key=lambda name: named[name])
    assert [adjusted[name] for name in in_order] == sorted(adjusted.values())


def test_the_seeds_needed_find_the_effect_four_times_out_of_five():
    n = seeds_needed(spread=1.0, smallest=1.0)
    generator = random.Random(0)
    draws = [[generator.gauss(1.0, 1.0) for _ in range(n)] for _ in range(2000)]
    found = sum(effect_of(draw).p < 0.05 for draw in draws) / len(draws)
    assert 0.78 <= found <= 0.86
    assert seeds_needed(0.0, 1.0) == 2 and seeds_needed(1.0, 1e-3) is None


def made(mean: float, half: float, n: int = 5) -> Effect:
    """An effect whose 90% interval is mean plus or minus half."""
    return Effect(n, mean, mean - 1.3 * half, mean + 1.3 * half, mean - half, mean + half, 0.0, half)


@pytest.mark.parametrize(
    "effect, p, said",
    [
        (None, 0.0, NOT_ENOUGH), (made(1.0, 0.1, n=4), 0.0, NOT_ENOUGH),
        (made(1.0, 0.1), 0.01, LARGER), (made(-1.0, 0.1), 0.01, SMALLER),
        (made(1.0, 0.1), 0.06, UNDECIDED),  # the correction takes it back
        (made(0.6, 0.3), 0.01, UNDECIDED), (made(-0.6, 0.3), 0.01, UNDECIDED),  # there, but does it count?
        (made(0.2, 0.1), 0.01, THERE), (made(-0.2, 0.1), 0.01, THERE),
        (made(0.1, 0.1), 0.2, NO_EFFECT), (made(0.1, 0.6), 0.2, UNDECIDED),
    ],
)  # fmt: skip
def test_the_word_for_a_difference(effect, p, said):
    assert in_words(effect, p, smallest=0.5) == said
    out = NOT_ENOUGH if said == NOT_ENOUGH else OUT_OF_REGIME
    assert in_words(effect, p, smallest=0.5, regime=False) == out


VALUES = st.lists(st.floats(-3, 3, allow_subnormal=False), min_size=2, max_size=12)
MARGINS = st.floats(1e-3, 2)


@given(VALUES, MARGINS, st.floats(1, 20))
def test_the_word_never_says_more_than_the_interval(differences, smallest, times):
    effect = effect_of(differences)
    adjusted = min(1.0, times * effect.p)
    word = in_words(effect, adjusted, smallest)
    assert (word == NOT_ENOUGH) == (len(differences) < 5)
    if word in (LARGER, SMALLER, THERE):
        assert adjusted < 0.05 and not effect.low <= 0 <= effect.high
    if word == LARGER:
        assert effect.low >= smallest
    if word == SMALLER:
        assert effect.high <= -smallest
    if word in (THERE, NO_EFFECT):
        assert max(abs(effect.inner_low), abs(effect.inner_high)) < smallest
    if word == NO_EFFECT:
        assert adjusted >= 0.05


@given(VALUES, MARGINS)
def test_the_word_for_the_opposite_difference_is_the_opposite_word(differences, smallest):
    effect, turned = effect_of(differences), effect_of([-one for one in differences])
    opposite = {LARGER: SMALLER, SMALLER: LARGER}
    word = in_words(effect, effect.p, smallest)
    assert in_words(turned, turned.p, smallest) == opposite.get(word, word)


@given(VALUES, MARGINS, MARGINS)
def test_a_larger_margin_never_makes_more_of_a_difference(differences, one, other):
    effect = effect_of(differences)
    small, large = (in_words(effect, effect.p, margin) for margin in sorted((one, other)))
    if large in (LARGER, SMALLER):
        assert small == large
    if small in (THERE, NO_EFFECT):
        assert large == small


def test_what_a_line_keeps_of_an_effect_is_enough_for_its_word():
    effect = effect_of([0.3, 0.5, 0.4, 0.9, 0.1])
    kept = effect_of_interval(effect.n, effect.mean, effect.low, effect.high, effect.p)
    assert (kept.inner_low, kept.inner_high) == pytest.approx((effect.inner_low, effect.inner_high))
    assert kept.spread == pytest.approx(effect.spread)


CLAIM = Claim("a", "b", "c", "row", "loss", "higher", 0.5, "d", "e")


@pytest.mark.parametrize(
    "direction, word, said",
    [
        ("higher", LARGER, "replicated"), ("lower", LARGER, "contradicted"), ("equal", LARGER, "contradicted"),
        ("higher", SMALLER, "contradicted"), ("lower", SMALLER, "replicated"), ("equal", SMALLER, "contradicted"),
        ("higher", NO_EFFECT, NO_EFFECT), ("equal", NO_EFFECT, "replicated"),
        ("higher", THERE, THERE), ("equal", THERE, "replicated"),
        *((direction, word, word) for direction in ("higher", "lower", "equal")
          for word in (UNDECIDED, OUT_OF_REGIME, NOT_ENOUGH)),
    ],
)  # fmt: skip
def test_the_answer_to_a_claim_follows_from_the_word(direction, word, said):
    claim = Claim(**{**CLAIM.__dict__, "direction": direction})
    assert answer(claim, word) == said
    on_the_floor = OUT_OF_REGIME if direction == "equal" and said == "replicated" else said
    assert answer(claim, word, at_the_edge=True) == on_the_floor


def test_an_interval_that_touches_the_margin_is_not_inside():
    assert is_inside(made(0.0, 0.4), 0.5) and not is_inside(made(0.2, 0.4), 0.5)
