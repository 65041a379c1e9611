"""From a suite's result lines to what may be said: effects, verdicts, the controls, the answers to its claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from experiments.laboratory.claims import Answer, Claim, answer
from experiments.laboratory.counting import lines_that_count
from experiments.laboratory.metrics import METRICS
from experiments.laboratory.statistics import (
    ERROR,
    SEEDS_FOR_A_VERDICT,
    Effect,
    holm,
    in_words,
    paired_effect,
    seeds_needed,
)
from experiments.laboratory.suite import (
    BASE,
    CONTROL,
    CONTROL_CHANGES,
    ROW_SEEDS,
    SAME,
    Suite,
    rows_of,
    seeds_of,
)

Line = dict[str, Any]
Comparison = tuple[str, str]  # a row, and the row that it is set against

FLOOR = 2.0  # percent: below it, or as near to 100, a score is at its floor or ceiling


@dataclass
class Analysis:
    """All that tables, plots and pages show of a suite."""

    suite: Suite
    code: str  # hash of the code that made the lines; "" where there are none
    accepted: list[Line]  # what else was let in, and why
    values: dict[str, dict[str, dict[int, float]]]  # metric -> row -> seed -> value
    effects: dict[str, dict[Comparison, Effect | None]]  # metric -> comparison -> effect
    adjusted: dict[str, dict[Comparison, float]]  # the same, p-values by Holm
    lines: dict[str, list[Line]] = field(default_factory=dict)  # row -> its lines
    missing: dict[str, int] = field(default_factory=dict)  # row -> seeds that are not there

    def primary(self, row: str) -> str:
        """The metric that decides about a row: the loss, unless the loss sees the answer."""
        return self.suite.score if row in self.suite.exposed else "loss"

    def smallest(self, metric: str) -> float:
        """The smallest effect in this metric that counts."""
        return self.suite.smallest["loss" if metric == "loss" else "score"]

    def verdict(self, row: str, metric: str) -> str:
        """What the runs say of a row in a metric."""
        comparison = row, self.suite.against(row)
        effect = self.effects[metric].get(comparison)
        return in_words(effect, self.adjusted[metric].get(comparison, 1.0), self.smallest(metric))

    def answer(self, claim: Claim) -> Answer:
        """What the runs say of a claim."""
        comparison = claim.row, claim.against
        effect, adjusted = self.effects[claim.metric].get(comparison), self.adjusted_p(claim)
        scores = self.values[self.suite.score].get(claim.against, {}).values()
        base = fmean(scores) / 100 if scores else None
        measured = self.values[claim.metric].get(claim.against, {}).values()
        at_the_edge = METRICS[claim.metric].unit == "%" and measured and not FLOOR <= fmean(measured) <= 100 - FLOOR
        return answer(claim, effect, adjusted, base, bool(at_the_edge))

    def adjusted_p(self, claim: Claim) -> float:
        """By Holm over the suite, or over the family that the claims are of; what is not run has p = 1."""
        if not self.suite.family:
            return self.adjusted[claim.metric].get((claim.row, claim.against), 1.0)
        effects = {one.id: self.effects[one.metric].get((one.row, one.against)) for one in self.suite.claims}
        found = {name: 1.0 if effect is None else effect.p for name, effect in effects.items()}
        elsewhere = range(self.suite.family - len(found))
        return holm(found | {f"elsewhere {number}": 1.0 for number in elsewhere})[claim.id]

    def spread(self, metric: str) -> float | None:
        """Standard deviation of the base over its seeds."""
        values = list(self.values[metric].get(BASE, {}).values())
        return stdev(values) if len(values) > 1 else None

    def seeds_needed(self, row: str, metric: str) -> int | None:
        """Seeds that would decide about the smallest effect that counts."""
        effect = self.effects[metric].get((row, self.suite.against(row)))
        if effect is None:
            return None
        strictest = ERROR / len(self.effects[metric])  # what Holm asks of the first
        needed = seeds_needed(effect.spread, self.smallest(metric), strictest)
        return None if needed is None else max(SEEDS_FOR_A_VERDICT, needed)

    @property
    def controls_behave(self) -> bool | None:
        """The A/A row is no effect and the positive control is one; None before both have runs enough."""
        said = self.verdict(SAME, "loss"), self.verdict(control_of(self.suite), "loss")
        if "not enough runs" in said:
            return None
        return said[0] not in ("higher", "lower") and said[1] == "higher"


def control_of(suite: Suite) -> str:
    """The name that the positive control has in this suite."""
    return next((row for row, changes in rows_of(suite).items() if changes == CONTROL_CHANGES), CONTROL)


def analyse(suite: Suite, lines: Sequence[Line]) -> Analysis:
    """Choose the lines that count and compare their rows."""
    code, chosen, accepted = lines_that_count(suite, lines)
    rows = rows_of(suite)
    by_row = {row: [line for line in chosen if line["row"] == row] for row in rows}
    values = {metric: {row: seeds_and_values(found, metric) for row, found in by_row.items()} for metric in METRICS}
    for of_row in values.values():
        base, shift = of_row[BASE], len(ROW_SEEDS)
        of_row[SAME] = {seed: base[seed + shift] for seed in ROW_SEEDS if seed + shift in base}
    compared = comparisons(suite)
    effects = {metric: effects_of(compared, of_row) for metric, of_row in values.items()}
    adjusted = {
        metric: holm({pair: 1.0 if effect is None else effect.p for pair, effect in of_pair.items()})
        for metric, of_pair in effects.items()
    }
    missing = {row: len(seeds_of(suite, row)) - len(values["loss"][row]) for row in rows}
    return Analysis(suite, code, accepted, values, effects, adjusted, by_row, {r: n for r, n in missing.items() if n})


def comparisons(suite: Suite) -> list[Comparison]:
    """Everything that is compared, and so counted by Holm: rows, the A/A row, what claims compare beside."""
    pairs = [(row, suite.against(row)) for row in rows_of(suite) if row != suite.against(row)]
    pairs += [(SAME, BASE), *((claim.row, claim.against) for claim in suite.claims)]
    return list(dict.fromkeys(pairs))


def effects_of(
    pairs: Iterable[Comparison], values: Mapping[str, Mapping[int, float]]
) -> dict[Comparison, Effect | None]:
    """Each comparison's effect."""
    return {(row, against): paired_effect(values[against], values[row]) for row, against in pairs}


def seeds_and_values(lines: Iterable[Line], metric: str) -> dict[int, float]:
    """Seed -> value, of the lines that have one."""
    found = {line["seed"]: METRICS[metric].of(line) for line in lines}
    return {seed: value for seed, value in sorted(found.items()) if value is not None}
