"""The chapter's six strategies of fine-tuning (3.2): do they gain where their papers say that they do?

Put together from the claims of the suite `strategies` and from meta-learning's own, which
`experiments/studies/few_shot.py` measures. A strategy gains where one of its claims is replicated.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from experiments.laboratory.analysis import Analysis, analyse
from experiments.laboratory.claims import REPLICATED, Claim, answer
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.statistics import effect_of_interval, in_words
from experiments.laboratory.suite import load_suite
from experiments.laboratory.tables import word_and_note
from experiments.record.cells import NOT_RUN, NOTHING, machine_in_words, p_in_words, table
from experiments.record.records import Measured, Record, figures
from experiments.suites.strategies_meta import CLAIMED, SMALLEST_GAIN

CLAIMS_OF_STRATEGIES = {  # strategy -> its claims in the suite `strategies`
    "1 layer-wise": ("lower-layers-learn-more-slowly", "the-top-layer-first"),
    "2 auxiliary loss": ("tagging-names-helps-to-write-them",),
    "3 multi-task": ("related-tasks-help-where-pairs-are-few",),
    "4 adversarial": ("adversarial-passes-make-robust", "perturbed-words-make-robust"),
    "5 meta-learning": (),
    "6 distillation": ("a-teacher-helps-a-small-student",),
}
WANTED_STRATEGIES = 3  # strategies that gain
META_LEARNING_CLAIM = Claim(
    "meta-learning-learns-from-few", "Meta-learning learns an unseen family from few examples.", "Finn et al. 2017",
    CLAIMED[0], "in_distribution", "higher", SMALLEST_GAIN, "", "", against="plain",
)  # fmt: skip
STRATEGIES_HEAD = """\
Each where its paper claims a gain, against plain training with as many FLOPs and a learning rate of its own:
five seeds, paired; p corrected over the family of these eight claims. A claim is *replicated* as
[claims.md](claims.md) says.

"""
STRATEGIES_COLUMNS = [
    "strategy", "what is compared", "plain", "with it", "difference (95%)", "p (corrected)", "its claim is",
]  # fmt: skip


class ClaimAnswer(NamedTuple):
    """One claim in words, and its answer."""

    cells: list[str]
    answer: str
    decided: bool  # there are seeds enough for a verdict


def answers_by_strategy(suites: Mapping[str, list[Record]]) -> dict[str, list[ClaimAnswer]]:
    """Strategy -> the answers to its claims."""
    analysis = analyse(load_suite("strategies"), suites.get("strategies", []))
    claims = {claim.id: claim for claim in analysis.suite.claims}
    found = {
        strategy: [answer_of_suite(analysis, claims[name]) for name in names]
        for strategy, names in CLAIMS_OF_STRATEGIES.items()
    }
    found["5 meta-learning"] = [answer_of_few_shot(figures(suites.get("few_shot", [])))]
    return found


def answer_of_suite(analysis: Analysis, claim: Claim) -> ClaimAnswer:
    """The answer to a claim of the suite, with means over the seeds that both rows have."""
    metric, (said, why) = SUITE_METRICS[claim.metric], analysis.answer_and_note(claim)
    compared = f"{claim.row} against {claim.against}: {metric.title}, {claim.direction}"
    effect = analysis.effects[claim.metric].get((claim.row, claim.against))
    if effect is None:
        return ClaimAnswer([compared, *[NOTHING] * 4, said], said, False)
    plain, row = (analysis.values[claim.metric][name] for name in (claim.against, claim.row))
    means = [metric.write(fmean(of_row[seed] for seed in plain.keys() & row.keys())) for of_row in (plain, row)]
    mean, low, high = (metric.write(value, True) for value in (effect.mean, effect.low, effect.high))
    difference = f"{mean} ({low} to {high}) {metric.difference_unit}"
    cells = [compared, *means, difference, p_in_words(analysis.adjusted_p(claim)), word_and_note(said, why)]
    return ClaimAnswer(cells, said, effect.decides)


def answer_of_few_shot(lines: list[Measured]) -> ClaimAnswer:
    """The answer to meta-learning's claim, from the newest lines, whose p is corrected already."""
    newest = {line.row: line for line in lines}
    kind, k = CLAIMED
    compared = f"{kind} against plain: tests passed of an unseen family after {k} examples, higher"
    found = newest.get(f"{kind} against plain, k {k}")
    if found is None:
        return ClaimAnswer([compared, *[NOTHING] * 4, NOT_RUN], NOT_RUN, False)
    means = [f"{newest[f'{name}, k {k}'].value:.1f}" for name in ("plain", kind)]
    difference = f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f}) points"
    p, seeds = found.p_corrected, int(found.over.split()[0])
    effect = effect_of_interval(seeds, found.value, found.low, found.high, p)
    said = answer(META_LEARNING_CLAIM, in_words(effect, p, SMALLEST_GAIN))
    return ClaimAnswer([compared, *means, difference, p_in_words(p), said], said, effect.decides)


def page_section(suites: Mapping[str, list[Record]]) -> str:
    """The page of the six strategies."""
    rows = [[strategy, *one.cells] for strategy, claims in answers_by_strategy(suites).items() for one in claims]
    return STRATEGIES_HEAD + table(STRATEGIES_COLUMNS, rows)


def readme_row(suites: Mapping[str, list[Record]]) -> list[str]:
    """The row of docs/targets.md: what, target, result, machine, command."""
    found = answers_by_strategy(suites)
    gaining = [name[2:] for name, claims in found.items() if any(one.answer == REPLICATED for one in claims)]
    said = f"{len(gaining)}" + (f" ({', '.join(gaining)})" if gaining else "")
    said += "; met" if len(gaining) >= WANTED_STRATEGIES else "; **not met**"
    if not all(one.decided for claims in found.values() for one in claims):
        said += ", **not enough runs** for a verdict"
    lines = figures([*suites.get("strategies", []), *suites.get("few_shot", [])])
    machines = dict.fromkeys(machine_in_words(line.machine) for line in lines)
    return [
        "strategies of fine-tuning that gain where their papers say, of six",
        f"at least {WANTED_STRATEGIES}, or why not", said, "; ".join(machines),
        "`python -m experiments.ablate strategies`, `python -m experiments.studies.few_shot PATH...`",
    ]  # fmt: skip
