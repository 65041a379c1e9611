"""From a suite's result lines to what may be said: effects, verdicts, the controls, the answers to its claims."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from experiments.laboratory.claims import Claim, answer
from experiments.laboratory.counting import lines_that_count
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.plan import refused_rows
from experiments.laboratory.statistics import (
    ERROR,
    LARGER,
    NO_EFFECT,
    NOT_ENOUGH,
    OUT_OF_REGIME,
    SEEDS_FOR_A_VERDICT,
    SMALLER,
    UNDECIDED,
    Effect,
    holm,
    in_words,
    paired_effect,
    seeds_needed,
)
from experiments.laboratory.suite import (
    BASE_ROW,
    CONTROL,
    CONTROL_CHANGES,
    ROW_SEEDS,
    SAME_ROW,
    Suite,
    rows_of,
    seeds_of,
)
from experiments.record.cells import NOT_RUN
from experiments.record.records import CodeVerdict, Record, ResultLine
from training.run.old_settings import first_name

Comparison = tuple[str, str]  # a row, and the row that it is set against

FLOOR_PERCENT = 2.0  # percent: below it, or as near to 100, a score is at its floor or ceiling
LEAST_LEARNED_PERCENT = 5.0  # percent of the suite's score that a row has at least if it has learned
LARGE_MARGIN = 5  # times what counts in its suite: a claim with a larger margin says so


@dataclass
class Analysis:
    """All that tables, plots and pages show of a suite."""

    suite: Suite
    code: str  # hash of the code that made the lines; "" where there are none
    accepted: list[CodeVerdict]  # what else was let in, and why
    values: dict[str, dict[str, dict[int, float]]]  # metric -> row -> seed -> value
    effects: dict[str, dict[Comparison, Effect | None]]  # metric -> comparison -> effect
    adjusted: dict[str, dict[Comparison, float]]  # the same, p-values by Holm
    lines: dict[str, list[ResultLine]] = field(default_factory=dict)  # row -> its lines
    missing: dict[str, int] = field(default_factory=dict)  # row -> seeds that are not there
    refused: dict[str, str] = field(default_factory=dict)  # row that cannot be -> why; it counts nowhere

    def primary(self, row: str) -> str:
        """The metric that decides about a row: the loss, unless the loss sees the answer."""
        return self.suite.score if row in self.suite.exposed else "loss"

    def smallest(self, metric: str) -> float:
        """The smallest effect in this metric that counts."""
        return self.suite.smallest["loss" if metric == "loss" else "score"]

    def verdict(self, row: str, metric: str) -> str:
        """The word for a row in a metric."""
        return self.verdict_and_note(row, metric)[0]

    def verdict_and_note(self, row: str, metric: str) -> tuple[str, str]:
        """The word for a row in a metric, and what has to be said beside it."""
        comparison = row, self.suite.against(row)
        adjusted_p = self.adjusted[metric].get(comparison, 1.0)
        return self.verdict_of_difference(comparison, metric, adjusted_p, self.smallest(metric))

    def verdict_of_difference(
        self, comparison: Comparison, metric: str, adjusted_p: float, smallest: float
    ) -> tuple[str, str]:
        """The word for a difference, and a note: why it is out of regime, or what is undecided about it."""
        effect = self.effects[metric].get(comparison)
        said = in_words(effect, adjusted_p, smallest)
        if said == NOT_ENOUGH:
            return said, ""
        worse = SMALLER if SUITE_METRICS[metric].more_is_better else LARGER
        if why := self.out_of_regime(comparison, is_worse=said == worse):
            return in_words(effect, adjusted_p, smallest, regime=False), why
        there = said == UNDECIDED and adjusted_p < ERROR
        return said, "there, but perhaps smaller than what counts" if there else ""

    def out_of_regime(self, comparison: Comparison, is_worse: bool) -> str:
        """The reason why a comparison means nothing; an empty text where it means something.

        A row that has not learned, though what it is set against has, keeps the word that it is worse: that it does not
        learn is the finding.
        """
        row, against = comparison
        reasons = {name: [edge] if (edge := self.edge_of_grid(name)) else [] for name in (against, row)}
        if self.has_learned(against) is False:
            reasons[against].append(f"not learned, {self.score_in_words(against)}")
        if self.has_learned(row) is False and (self.has_learned(against) is False or not is_worse):
            reasons[row].append(f"not learned, {self.score_in_words(row)}")
        return "; ".join(f"{name}: {', '.join(dict.fromkeys(said))}" for name, said in reasons.items() if said)

    def edge_of_grid(self, row: str) -> str:
        """Which tuned value of a row is the smallest or largest that was tried, in words; nothing where none is."""
        tuned = self.lines[BASE_ROW if row == SAME_ROW else row][:1]
        for setting, tried in self.suite.tuned.items():
            value = tuned[0].trial.tuned.get(first_name(setting)) if tuned else None
            numbers = [one for one in tried if isinstance(one, (int, float)) and not isinstance(one, bool)]
            if len(numbers) == len(tried) and value in (min(numbers), max(numbers)):
                return f"{setting.rpartition('.')[2].replace('_', ' ')} {value:g} at the edge of its grid"
        return ""

    def has_learned(self, row: str) -> bool | None:
        """Whether a row reaches the least score of one that has learned; None where no line has the score."""
        found = self.values[self.suite.score].get(row, {}).values()
        return fmean(found) >= LEAST_LEARNED_PERCENT if found else None

    def score_in_words(self, row: str) -> str:
        """A row's mean score."""
        metric = SUITE_METRICS[self.suite.score]
        return f"{metric.write(fmean(self.values[self.suite.score][row].values()))}{metric.unit}"

    def answer(self, claim: Claim) -> str:
        """What the runs say of a claim."""
        return self.answer_and_note(claim)[0]

    def answer_and_note(self, claim: Claim) -> tuple[str, str]:
        """What the runs say of a claim, and what has to be said beside it."""
        comparison = claim.row, claim.against
        if self.effects[claim.metric].get(comparison) is None:
            return NOT_RUN, ""
        scores = self.values[self.suite.score].get(claim.against, {}).values()
        if claim.least_base is not None and not (scores and fmean(scores) >= 100 * claim.least_base):
            return OUT_OF_REGIME, f"{claim.against} has less than {claim.least_base:.0%}"
        word, why = self.verdict_of_difference(comparison, claim.metric, self.adjusted_p(claim), claim.smallest)
        measured = self.values[claim.metric][claim.against].values()
        in_between = FLOOR_PERCENT <= fmean(measured) <= 100 - FLOOR_PERCENT
        at_the_edge = SUITE_METRICS[claim.metric].unit == "%" and not in_between
        said = answer(claim, word, at_the_edge)
        if said == OUT_OF_REGIME and not why:
            why = "two that are equal at a score's floor or ceiling say nothing"
        return said, "; ".join(part for part in (why, self.large_margin(claim)) if part)

    def large_margin(self, claim: Claim) -> str:
        """A note that a claim was stated with a large margin, with the word for the usual one; else nothing."""
        metric, unit = SUITE_METRICS[claim.metric], SUITE_METRICS[claim.metric].difference_unit
        base, usual, said = self.values[claim.metric].get(claim.against, {}).values(), self.smallest(claim.metric), []
        if claim.metric == "loss" and base and claim.smallest > fmean(base):
            said.append(f"larger than the loss of {claim.against} itself, {metric.write(fmean(base))},")
        if claim.smallest > LARGE_MARGIN * usual:
            said.append(f"{claim.smallest / usual:.2g} times what counts in its suite")
        if not said:
            return ""
        word, _ = self.verdict_of_difference((claim.row, claim.against), claim.metric, self.adjusted_p(claim), usual)
        margin = f"its margin of {claim.smallest:g} {unit} is {' and '.join(said)}".rstrip(",")
        return f"{margin}; with its suite's {usual:g}: {word}"

    def adjusted_p(self, claim: Claim) -> float:
        """The claim's p, corrected by Holm over the suite or its family of claims; what is not run has p = 1."""
        if not self.suite.family:
            return self.adjusted[claim.metric].get((claim.row, claim.against), 1.0)
        claims = [one for one in self.suite.claims if not {one.row, one.against} & self.refused.keys()]
        effects = {one.id: self.effects[one.metric].get((one.row, one.against)) for one in claims}
        found = {name: 1.0 if effect is None else effect.p for name, effect in effects.items()}
        elsewhere = range(self.suite.family - len(self.suite.claims))
        return holm(found | {f"elsewhere {number}": 1.0 for number in elsewhere}).get(claim.id, 1.0)

    def spread(self, metric: str) -> float | None:
        """Standard deviation of the base over its seeds."""
        values = list(self.values[metric].get(BASE_ROW, {}).values())
        return stdev(values) if len(values) > 1 else None

    def seeds_needed(self, row: str, metric: str) -> int | None:
        """The number of seeds that would decide about the smallest effect that counts; None beyond reach."""
        effect = self.effects[metric].get((row, self.suite.against(row)))
        if effect is None:
            return None
        strictest = ERROR / len(self.effects[metric])  # what Holm asks of the first
        needed = seeds_needed(effect.spread, self.smallest(metric), strictest)
        return None if needed is None else max(SEEDS_FOR_A_VERDICT, needed)

    @property
    def controls_behave(self) -> bool | None:
        """Whether the A/A row shows no effect and the positive control one; None before there are enough runs."""
        said = []
        for row in (SAME_ROW, control_of(self.suite)):
            pair = row, self.suite.against(row)
            p = self.adjusted["loss"].get(pair, 1.0)
            said.append(in_words(self.effects["loss"].get(pair), p, self.smallest("loss")))
        if NOT_ENOUGH in said:
            return None
        return said[0] in (NO_EFFECT, UNDECIDED) and said[1] == LARGER


def control_of(suite: Suite) -> str:
    """The name that the positive control has in this suite."""
    return next((row for row, changes in rows_of(suite).items() if changes == CONTROL_CHANGES), CONTROL)


def analyse(suite: Suite, lines: Sequence[Record]) -> Analysis:
    """Choose the lines that count and compare their rows."""
    code, chosen, accepted = lines_that_count(suite, lines)
    refused = refused_rows(suite, lines)
    rows = [row for row in rows_of(suite) if row not in refused]
    by_row = {row: [line for line in chosen if line.row == row] for row in rows}
    values = {
        metric: {row: seeds_and_values(found, metric) for row, found in by_row.items()} for metric in SUITE_METRICS
    }
    for of_row in values.values():
        base, shift = of_row[BASE_ROW], len(ROW_SEEDS)
        of_row[SAME_ROW] = {seed: base[seed + shift] for seed in ROW_SEEDS if seed + shift in base}
    compared = comparisons(suite, refused)
    effects = {metric: effects_of(compared, of_row) for metric, of_row in values.items()}
    adjusted = {
        metric: holm({pair: 1.0 if effect is None else effect.p for pair, effect in of_pair.items()})
        for metric, of_pair in effects.items()
    }
    missing = {row: len(seeds_of(suite, row)) - len(values["loss"][row]) for row in rows}
    missing = {row: number for row, number in missing.items() if number}
    return Analysis(suite, code, accepted, values, effects, adjusted, by_row, missing, refused)


def comparisons(suite: Suite, refused: Container[str] = ()) -> list[Comparison]:
    """All comparisons, which Holm's correction counts: the rows, the A/A row, and those that only claims make.

    What is set against a row that cannot be, and that row itself, is not among them.
    """
    pairs = [(row, suite.against(row)) for row in rows_of(suite) if row != suite.against(row)]
    pairs += [(SAME_ROW, BASE_ROW), *((claim.row, claim.against) for claim in suite.claims)]
    return [pair for pair in dict.fromkeys(pairs) if not any(row in refused for row in pair)]


def effects_of(
    pairs: Iterable[Comparison], values: Mapping[str, Mapping[int, float]]
) -> dict[Comparison, Effect | None]:
    """Each comparison's effect."""
    return {(row, against): paired_effect(values[against], values[row]) for row, against in pairs}


def seeds_and_values(lines: Iterable[ResultLine], metric: str) -> dict[int, float]:
    """Seed -> the metric's value, for the lines that have one."""
    found = {line.seed: SUITE_METRICS[metric].value_in(line) for line in lines}
    return {seed: value for seed, value in sorted(found.items()) if value is not None}
