"""A published finding, written down before it is tested, and the answer that a suite's runs give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from experiments.laboratory.statistics import LARGER, NO_EFFECT, OUT_OF_REGIME, SMALLER, THERE
from system.bounds import check_bounds

REPLICATED, CONTRADICTED = "replicated", "contradicted"


@dataclass(frozen=True)
class Claim:
    """One finding: what is expected of one row of a suite, against another row, in one metric."""

    id: str  # in small letters and hyphens, never used again
    says: str  # the finding in one plain sentence
    source: str  # paper and section
    row: str  # the row of the suite that tests it
    metric: str  # a key of metrics.SUITE_METRICS
    direction: Literal["higher", "lower", "equal"]  # where the source expects the row, seen from `against`
    smallest: float  # the smallest difference that counts, in the metric's unit
    theirs: str  # the source's regime
    ours: str  # what is other here
    against: str = "base"  # the row it is compared with
    least_base: float | None = None  # out of regime where the base's mean test score (0 to 1) lies below this

    def __post_init__(self) -> None:
        check_bounds(self)


def answer(claim: Claim, word: str, at_the_edge: bool = False) -> str:
    """What the word for a claim's difference, seen with the claim's own margin, says of the claim.

    at_the_edge: what is compared with lies at a score's floor or ceiling, where two that are equal say nothing.

    A larger or smaller row replicates or contradicts. That two are equal is replicated where no difference counts, and
    contradicted by one on either side. Every other word is the answer as it stands.
    """
    if word in (LARGER, SMALLER):
        side = "higher" if word == LARGER else "lower"
        return REPLICATED if side == claim.direction else CONTRADICTED
    if claim.direction == "equal" and word in (NO_EFFECT, THERE):
        return OUT_OF_REGIME if at_the_edge else REPLICATED
    return word
