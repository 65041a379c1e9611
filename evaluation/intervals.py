"""Intervals over examples: how far a score would move if other examples of the same kind had been drawn.

Percentile bootstrap (Efron 1979): draw as many examples as there are, with replacement, score them, repeat, and take
the middle 95% of the scores. It says nothing of the spread over seeds, which needs several runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 1000
SEED = 20240  # fixed, so that the same predictions have the same interval on every machine
PERCENT_INSIDE = 95.0  # of the resampled scores


def resampled_sums(statistics: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """The sums of per-example statistics (n, k) over draws of n examples with replacement: (resamples, k)."""
    generator = np.random.default_rng(seed)
    n = len(statistics)
    sums = np.empty((resamples, statistics.shape[1]))
    for resample in sums:
        times_drawn = np.bincount(generator.integers(n, size=n), minlength=n)  # (n,)
        resample[:] = times_drawn @ statistics
    return sums


def interval_of_score(statistics: np.ndarray, score: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """The interval of a corpus score that is a function of summed per-example statistics (n, k), as BLEU is."""
    return _middle(np.array([score(sums) for sums in resampled_sums(statistics)]))


def interval_of_mean(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The interval of the mean of one number per example."""
    column = np.asarray(values, dtype=float)[:, None]  # (n, 1)
    return _middle(resampled_sums(column)[:, 0] / len(column))


def _middle(scores: np.ndarray) -> tuple[float, float]:
    """Lower and upper end of the middle PERCENT_INSIDE percent of `scores`."""
    low, high = np.percentile(scores, [(100 - PERCENT_INSIDE) / 2, (100 + PERCENT_INSIDE) / 2])
    return float(low), float(high)
