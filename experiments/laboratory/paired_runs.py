"""Two kinds of runs on the same seeds: paired differences, their t interval over runs, and what may be said of them.

The runs of a seed share data, order and initial weights, so what the seed does to both falls out of their difference.
That two kinds are equal is said of at least 5 seeds, when the 90% interval of the mean difference lies wholly inside
plus or minus the smallest difference that counts (two one-sided tests at 5%; Schuirmann 1987).
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

from experiments.laboratory.statistics import SEEDS_FOR_A_VERDICT, t_interval
from experiments.record.compact_lines import short_hash
from experiments.record.records import ResultLine, look_up

Pairs = dict[int, tuple[float, float]]  # seed -> score of the first kind, of the second
INTERVAL_LEVEL = 0.90  # of the interval


def newest(lines: list[ResultLine], setting: str) -> list[ResultLine]:
    """The lines that share code, threads and all settings but `setting` with the last line."""

    def circumstances(line: ResultLine) -> tuple[Any, ...]:
        config = {name: value for name, value in line.config.items() if name != setting}
        return line.code_hash, line.threads, short_hash(config)

    return [line for line in lines if circumstances(line) == circumstances(lines[-1])]


def pairs_of(lines: list[ResultLine], kinds: tuple[str, str], score: tuple[str, ...]) -> Pairs:
    """The values at `score` of both kinds, which are the lines' rows, on the seeds that have both."""
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        if (value := look_up(line, score)) is not None:
            found.setdefault(line.seed, {})[line.row] = value
    first, second = kinds
    return {seed: (of[first], of[second]) for seed, of in sorted(found.items()) if first in of and second in of}


def differences(pairs: Pairs) -> list[float]:
    """Seed by seed, by how many percent the second kind's score lies above the first's."""
    return [100 * (second - first) / first for first, second in pairs.values()]


def table_rows(pairs: Pairs) -> list[list[str]]:
    """Seed, both scores, difference; the last row has the means and the interval."""
    found = differences(pairs)
    rows = [
        [str(seed), f"{first:.4f}", f"{second:.4f}", f"{difference:+.2f}%"]
        for (seed, (first, second)), difference in zip(pairs.items(), found, strict=True)
    ]
    if pairs:
        means = [f"{fmean(scores):.4f}" for scores in zip(*pairs.values(), strict=True)]
        rows.append(["mean", *means, f"{fmean(found):+.2f}%"])
    if len(pairs) > 1:
        low, high = t_interval(found, INTERVAL_LEVEL)
        rows[-1][-1] += f" ({low:+.2f}% to {high:+.2f}%)"
    return rows


def equality_verdict(pairs: Pairs, margin: float) -> str:
    """Whether the two kinds are equal within `margin` percent, in words."""
    if len(pairs) < SEEDS_FOR_A_VERDICT:
        return f"not enough runs for a verdict: {len(pairs)} of at least {SEEDS_FOR_A_VERDICT} seeds"
    low, high = t_interval(differences(pairs), INTERVAL_LEVEL)
    if -margin < low and high < margin:
        return f"equal within {margin:g}%: the 90% interval over runs lies wholly inside"
    return f"not shown to be equal within {margin:g}%: the 90% interval over runs reaches beyond"
