"""The curves of a run: loss, learning rate and tokens per second over the optimiser's steps, phase by phase."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from system.atomic_files import write_atomically

MAX_POINTS = 400  # a longer curve is drawn as means over equal stretches of steps, or the page would weigh megabytes
INK = "#0c0d0e"  # drawn in this colour, then replaced by the page's own text colour
PHASE_COLOURS = ("#2f6fde", "#d9730d", "#0f9d77", "#a24bcf")  # one a phase; told apart by the colour-blind too
PANELS = {
    "loss": "loss (nats per token)",
    "learning_rate": "learning rate",
    "tokens_per_second": "tokens per second",
}


@dataclass(frozen=True)
class Phase:
    """One phase of training, its steps numbered from the end of the phase before it."""

    name: str
    start: float
    steps: list[float]
    values: dict[str, list[float]]  # metric -> one value a step, nan where it was not written


def split_phases(metrics: list[dict[str, Any]]) -> list[Phase]:
    """The records of metrics.jsonl by phase, in order; phases that count their steps from one are set end to end."""
    names = list(dict.fromkeys(str(record.get("phase", "training")) for record in metrics))
    phases: list[Phase] = []
    end = 0.0
    for name in names:
        records = [record for record in metrics if str(record.get("phase", "training")) == name]
        steps = [number(record.get("step")) for record in records]
        offset = end if steps[0] <= end else 0.0
        values = {key: [number(record.get(key)) for record in records] for key in (*PANELS, "held_out_loss")}
        phases.append(Phase(name, end, [step + offset for step in steps], values))
        end = max(phases[-1].steps)
    return phases


def number(value: object) -> float:
    """A value of metrics.jsonl as a number; a missing or other value becomes nan, which leaves a gap."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def thinned(steps: list[float], values: list[float]) -> tuple[list[float], list[float]]:
    """At most MAX_POINTS points of a curve: means over equal stretches, without the values that are not finite."""
    points = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value + step)]
    width = math.ceil(len(points) / MAX_POINTS) or 1
    groups = [points[start : start + width] for start in range(0, len(points), width)]
    means = [[sum(column) / len(group) for column in zip(*group, strict=True)] for group in groups]
    return [mean[0] for mean in means], [mean[1] for mean in means]


def draw(axes: Axes, phases: list[Phase], metric: str) -> None:
    """Draw one panel: a line for each phase, the held-out loss as points, the phases' borders and names."""
    for index, phase in enumerate(phases):
        colour = PHASE_COLOURS[index % len(PHASE_COLOURS)]
        steps, values = thinned(phase.steps, phase.values[metric])
        axes.plot(steps, values, color=colour, linewidth=1.4, label=phase.name)
        if metric == "loss":
            steps, values = thinned(phase.steps, phase.values["held_out_loss"])
            axes.plot(steps, values, "o--", color=colour, markersize=4, linewidth=0.8,
                      markerfacecolor="none", label=f"{phase.name}, held out" if steps else "_")
        if index:
            axes.axvline(phase.start, color=INK, linewidth=0.8, linestyle=":")

    axes.set_xlabel("optimiser step")
    axes.set_ylabel(PANELS[metric])
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.grid(alpha=0.2, color=INK, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=10)
    axes.xaxis.set_major_formatter("{x:,.0f}")

    if metric == "tokens_per_second":
        axes.yaxis.set_major_formatter("{x:,.0f}")
    if metric == "learning_rate":
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))


def style() -> dict[str, Any]:
    """Matplotlib's settings for these pictures, fixed so that the same curves give the same bytes."""
    inks = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    return inks | {"svg.hashsalt": "curves", "svg.fonttype": "none", "font.size": 11, "text.parse_math": False,
                   "font.family": "DejaVu Sans", "axes.formatter.use_mathtext": False}


def curve_svgs(metrics: list[dict[str, Any]]) -> dict[str, str]:
    """An SVG for each panel, to stand inside the page: text as text, lines in the page's own colour."""
    phases = split_phases(metrics)
    pictures = {}
    with matplotlib.rc_context(style()):
        for metric in PANELS:
            figure = Figure(figsize=(5, 3.4), layout="constrained")
            draw(figure.add_subplot(), phases, metric)
            file = io.StringIO()
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
            pictures[metric] = for_page(file.getvalue(), metric)
    return pictures


def for_page(svg: str, name: str) -> str:
    """An SVG file as part of a page: no XML header or white ground, ids of its own, the page's colour and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="patch_[12]">\s*<path [^>]*style="fill: #ffffff[^>]*/>\s*</g>', "", svg)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor").replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{PANELS[name]} over optimiser steps" ', 1)


def write_curves(metrics: list[dict[str, Any]], path: Path) -> None:
    """Write all panels side by side as a PNG on white, for a README or a slide."""
    with matplotlib.rc_context(style()):
        figure = Figure(figsize=(14, 3.8), dpi=110, layout="constrained", facecolor="white")
        for place, metric in enumerate(PANELS, start=1):
            draw(figure.add_subplot(1, len(PANELS), place), split_phases(metrics), metric)
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    write_atomically(path, file.getvalue())
