"""What is compared: the held-out loss, and a score of each split: tasks whose tests pass, lines that are exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from data.perturb import PERTURBATIONS
from experiments.record.records import ResultLine, look_up

PERTURBED = tuple(f"dev_{kind}" for kind in PERTURBATIONS)  # splits of --evaluation.perturbed


@dataclass(frozen=True)
class Metric:
    """A number of a result line, or the mean of several."""

    title: str
    unit: str
    paths: tuple[tuple[str, ...], ...]  # where it stands in a line; of several numbers the mean
    factor: float  # the line's number times this is shown
    digits: int  # behind the point
    more_is_better: bool

    def value_in(self, line: ResultLine) -> float | None:
        """The metric's value in a line; None where it is missing or not finite, as in a run that diverged."""
        found = [look_up(line, path) for path in self.paths]
        if any(value is None or not math.isfinite(value) for value in found):
            return None
        return self.factor * fmean(found)

    @property
    def difference_unit(self) -> str:
        """The unit of a difference of two values."""
        return "points" if self.unit == "%" else self.unit

    def write(self, value: float, sign: bool = False) -> str:
        """A value as text."""
        return f"{value:{'+' if sign else ''}.{self.digits}f}"


def tests_passed(split: str, title: str) -> Metric:
    """Share of the split's tasks whose tests pass, in percent."""
    return Metric(f"{title}, tests passed", "%", (("scores", split, "tests_passed", "value"),), 100.0, 1, True)


def exact_lines(name: str, title: str, splits: tuple[str, ...] = ("dev",)) -> Metric:
    """Share of the lines of these splits that were predicted exactly, in percent."""
    return Metric(title, "%", tuple(("scores", split, name, "value") for split in splits), 100.0, 1, True)


SUITE_METRICS = {
    "loss": Metric("held-out loss", "nats", (("held_out_loss",),), 1.0, 4, False),
    "in_distribution": tests_passed("in_distribution", "in distribution"),
    "compositional": tests_passed("compositional", "compositional"),
    "longer": tests_passed("longer", "longer"),
    "rephrased": tests_passed("rephrased", "rephrased"),
    "dev_new": exact_lines("exact_match_without_duplicates", "dev lines not in training, exact"),
    "dev": exact_lines("exact_match", "dev lines, exact"),
    "robustness": exact_lines("robustness", "right dev lines that stay right when perturbed", PERTURBED),
    "dev_perturbed": exact_lines("exact_match", "perturbed dev lines, exact", PERTURBED),
}
