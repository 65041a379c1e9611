"""A published finding, written down before it is tested, and the answer that a suite's runs give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from experiments.laboratory.statistics import ERROR, Effect, is_inside

Answer = Literal["replicated", "contradicted", "no effect", "undecided at this power", "out of regime", "not run"]


@dataclass(frozen=True)
class Claim:
    """One finding: what is expected of one row of a suite, against another row, in one metric."""

    id: str  # in small letters and hyphens, never used again
    says: str  # the finding in one plain sentence
    source: str  # paper and section
    row: str  # the row of the suite that tests it
    metric: str  # a key of metrics.METRICS
    direction: Literal["higher", "lower", "equal"]  # where the source expects the row, seen from `against`
    smallest: float  # the smallest difference that counts, in the metric's unit
    theirs: str  # the source's regime
    ours: str  # what is other here
    against: str = "base"  # the row it is compared with
    least_base: float | None = None  # out of regime where the base's mean test score (0 to 1) lies below this


def answer(
    claim: Claim, effect: Effect | None, adjusted_p: float, base_score: float | None, at_the_edge: bool = False
) -> Answer:
    """What the runs say. `adjusted_p` by Holm over the suite; `base_score`: the base's mean score.

    at_the_edge: what is compared with lies at a score's floor or ceiling, where two that are equal say nothing.

    An effect that is there, and so small that it does not count, is no effect where the runs can tell, else undecided.
    That two are equal is replicated where there is no effect, and contradicted by one on either side.
    """
    if effect is None:
        return "not run"
    if claim.least_base is not None and (base_score is None or base_score < claim.least_base):
        return "out of regime"
    if not effect.decides:
        return "undecided at this power"
    if is_inside(effect, claim.smallest):
        if claim.direction == "equal":
            return "out of regime" if at_the_edge else "replicated"
        return "no effect"
    if adjusted_p >= ERROR or abs(effect.mean) < claim.smallest:
        return "undecided at this power"
    side = "higher" if effect.mean > 0 else "lower"
    return "replicated" if side == claim.direction else "contradicted"
