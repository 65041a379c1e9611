"""A suite's picture: every run as a mark, means and 95% intervals of the differences from what a row is set against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.laboratory.analysis import Analysis
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.statistics import LARGER, NO_EFFECT, OUT_OF_REGIME, SMALLER, THERE, UNDECIDED
from experiments.laboratory.suite import BASE_ROW, SAME_ROW
from experiments.laboratory.tables import compared_rows

COLOURS = {
    "worse by what counts": "#c44e52", "better by what counts": "#55a868", THERE: "#8172b3", NO_EFFECT: "#4c72b0",
    UNDECIDED: "#8c8c8c", OUT_OF_REGIME: "#dd8452",
}  # fmt: skip
COLOUR_OF_NO_VERDICT = "#c8c8c8"  # not enough runs, or a loss that sees the answer


def plot_suite(analysis: Analysis, file: Path) -> None:
    """Plot the loss on the left and the score on the right, one line a row; the grey band holds what does not count."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.fonttype"] = "none"  # text stays text
    pyplot.rcParams["svg.hashsalt"] = "codegen"  # the same lines give the same bytes
    compared = [row for row in compared_rows(analysis) if row != analysis.suite.against(row)]
    rows = [SAME_ROW, *compared][::-1]
    figure, axes = pyplot.subplots(
        1, 2, figsize=(10, 1.8 + 0.36 * len(rows)), sharey=True, layout="constrained"
    )
    for axis, metric in zip(axes, ("loss", analysis.suite.score), strict=True):
        draw_metric(axis, analysis, metric, rows)
    axes[0].set_yticks(range(len(rows)), [label(analysis, row) for row in rows])
    figure.suptitle(f"{analysis.suite.title}: each run, mean and 95% interval of the paired differences")
    handles = [pyplot.Line2D([], [], color=colour, marker="o", label=said) for said, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def label(analysis: Analysis, row: str) -> str:
    """A row's label, with the row it is compared with where that is not the base."""
    against = analysis.suite.against(row)
    if row in analysis.suite.exposed:
        return f"{row}\n(its loss sees the answer)"
    return f"{row}\n(against {against})" if against not in (BASE_ROW, row) else row


def colour_of(analysis: Analysis, row: str, metric: str) -> str:
    """Red for worse and green for better, whichever way the metric goes."""
    verdict = analysis.verdict(row, metric)
    if metric == "loss" and row in analysis.suite.exposed:
        return COLOUR_OF_NO_VERDICT
    if verdict in (LARGER, SMALLER):
        better = (verdict == LARGER) == SUITE_METRICS[metric].more_is_better
        verdict = f"{'better' if better else 'worse'} by what counts"
    return COLOURS.get(verdict, COLOUR_OF_NO_VERDICT)


def draw_metric(axis: Any, analysis: Analysis, metric: str, rows: list[str]) -> None:
    """Draw the differences in one metric on one axis."""
    smallest = analysis.smallest(metric)
    axis.axvspan(-smallest, smallest, color="#f0f0f0", zorder=0)
    axis.axvline(0, color="black", linewidth=0.8)
    for height, row in enumerate(rows):
        against = analysis.suite.against(row)
        values, base = analysis.values[metric].get(row, {}), analysis.values[metric].get(against, {})
        differences = [values[seed] - base[seed] for seed in values.keys() & base.keys()]
        effect = analysis.effects[metric].get((row, against))
        colour = colour_of(analysis, row, metric)
        axis.plot(sorted(differences), [height] * len(differences), "|", color=colour, markersize=9, alpha=0.6)
        if effect is not None:
            axis.plot([effect.low, effect.high], [height, height], color=colour, linewidth=1.6)
            axis.plot(effect.mean, height, "o", color=colour, markersize=5)
    axis.set_xscale("symlog", linthresh=2 * smallest)
    # Powers of ten inside the linear part stand too close to 0 to be written.
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value == 0 or abs(value) >= 2 * smallest else "")
    axis.set_xlabel(f"{SUITE_METRICS[metric].title}: difference ({SUITE_METRICS[metric].difference_unit})")
    axis.grid(axis="x", alpha=0.3)
