"""Paired comparisons over runs: a row against the base on the same seeds, all rows of a suite at once.

The runs of a seed share data, order and, where the shapes agree, initial weights, so what the seed does to both falls
out of their difference. Differences are taken as normal around their mean: Student's t gives interval and p-value, and
Holm's step-down (Holm 1979) keeps the chance of any false effect among a suite's rows, in one metric, at 5%, whatever
the rows have in common. That two are equal is said when the 90% interval lies wholly inside plus or minus the smallest
effect that counts (two one-sided tests at 5%; Schuirmann 1987).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

from scipy import stats

SEEDS_FOR_A_VERDICT = 5
ERROR = 0.05  # chance of any false effect in a suite
POWER = 0.8
MOST_SEEDS = 1000  # where the search for the number of seeds ends

LARGER, SMALLER = "larger by what counts", "smaller by what counts"  # the 95% interval lies wholly beyond what counts
THERE = "there, but smaller than what counts"  # p is below ERROR and the 90% interval wholly inside what counts
NO_EFFECT = "no effect"  # the 90% interval lies wholly inside what counts
UNDECIDED = "undecided"
OUT_OF_REGIME = "out of regime"
NOT_ENOUGH = "not enough runs"  # fewer than SEEDS_FOR_A_VERDICT


@dataclass(frozen=True)
class Effect:
    """What a row does to a metric, over the seeds that it shares with the row it is compared with."""

    n: int  # seeds
    mean: float  # of the differences, row minus base
    low: float  # 95% t interval
    high: float
    inner_low: float  # 90% t interval, for saying that there is no effect
    inner_high: float
    p: float  # of the paired t-test
    spread: float  # standard deviation of the differences

    @property
    def decides(self) -> bool:
        """Whether there are seeds enough for a verdict."""
        return self.n >= SEEDS_FOR_A_VERDICT


def paired_effect(base: Mapping[int, float], row: Mapping[int, float]) -> Effect | None:
    """The effect over the seeds that both have; None for fewer than two."""
    differences = [row[seed] - base[seed] for seed in sorted(base.keys() & row.keys())]
    return effect_of(differences) if len(differences) > 1 else None


def effect_of(differences: Sequence[float]) -> Effect:
    """The effect of these differences, one for each seed, at least two."""
    n, mean, spread = len(differences), fmean(differences), stdev(differences)
    (low, high), (inner_low, inner_high) = (t_interval(differences, level) for level in (0.95, 0.90))
    if spread > 0:
        p = float(2 * stats.t.sf(abs(mean) / (spread / math.sqrt(n)), n - 1))
    else:
        p = 0.0 if mean else 1.0  # the same difference every time: surely an effect, or surely none
    return Effect(n, mean, low, high, inner_low, inner_high, p, spread)


def t_interval(values: Sequence[float], level: float) -> tuple[float, float]:
    """Interval of the mean of at least two independent values that are normal around it."""
    half = t_quantile(level, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


@cache
def t_quantile(level: float, freedom: int) -> float:
    """The t between whose negative and itself Student's t lies with probability `level`."""
    return float(stats.t.ppf((1 + level) / 2, freedom))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values: all that are below ERROR may be called effects together.

    In rising order the k-th of m is multiplied by m - k + 1, and none falls below the one before it.
    """
    adjusted, largest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = largest
    return adjusted


def seeds_needed(spread: float, smallest: float, error: float = ERROR) -> int | None:
    """Seeds with which a paired t-test finds an effect as large as `smallest` four times out of five.

    `spread`: standard deviation of the differences. By the noncentral t distribution. None: more than MOST_SEEDS.
    """
    if not spread:
        return 2
    for n in range(2, MOST_SEEDS + 1):
        critical = stats.t.ppf(1 - error / 2, n - 1)
        if stats.nct.sf(critical, n - 1, math.sqrt(n) * smallest / spread) >= POWER:
            return n
    return None


def in_words(effect: Effect | None, adjusted_p: float, smallest: float, regime: bool = True) -> str:
    """The one word for a difference, in tables, claims and pages alike; it never says more than the interval.

    adjusted_p: corrected for all that was compared. smallest: the smallest difference that counts. regime: whether the
    comparison means anything (both rows have learned, and what was tuned is tuned).
    """
    if effect is None or not effect.decides:
        return NOT_ENOUGH
    if not regime:
        return OUT_OF_REGIME
    there = adjusted_p < ERROR
    if is_inside(effect, smallest):
        return THERE if there else NO_EFFECT
    if there and effect.low >= smallest:
        return LARGER
    if there and effect.high <= -smallest:
        return SMALLER
    return UNDECIDED


def is_inside(effect: Effect, smallest: float) -> bool:
    """Whether the 90% interval lies wholly inside plus or minus the smallest effect that counts."""
    return -smallest < effect.inner_low and effect.inner_high < smallest


def effect_of_interval(n: int, mean: float, low: float, high: float, p: float) -> Effect:
    """The effect, from what a line keeps of it: number of seeds, mean, 95% t interval and p-value."""
    half = (high - low) / 2
    inner = half * t_quantile(0.90, n - 1) / t_quantile(0.95, n - 1)
    spread = half * math.sqrt(n) / t_quantile(0.95, n - 1)
    return Effect(n, mean, low, high, mean - inner, mean + inner, p, spread)
