"""The picture of a built corpus: its sources, the lengths of its examples, the fit of its vocabulary."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

MOST_BARS = 12


def picture(card: Mapping[str, Any], figures: Mapping[str, Any]) -> bytes:
    """Six plots as a PNG: lengths, sources, languages; what was left out, vocabulary coverage, pieces per word."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    (lengths, sources, languages), (left_out, coverage, pieces) = figure.subplots(2, 3, width_ratios=(4, 3, 3))
    draw_lengths(lengths, figures["histograms"])
    whole = max(1, card["characters"]) / 100
    share = "share of the characters (%)"
    of_sources = {source["name"]: source["characters"] / whole for source in card["sources"]}
    draw_bars(sources, of_sources, share, "Characters by source")
    of_languages = {name: n / whole for name, n in card["characters_by_language"].items()}
    draw_bars(languages, of_languages, share, "Characters by language")
    draw_bars(left_out, card["left_out"], "number, on a logarithmic scale", "What was left out, duplicates included")
    left_out.set_xscale("log")
    left_out.set_xlim(left=0.8)
    draw_coverage(coverage, figures["vocabulary"])
    draw_pieces(pieces, figures)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def draw_lengths(axes: Any, histograms: Mapping[str, list[int]]) -> None:
    """Draw the distribution of lengths, a line for each kind of text."""
    for name, counts in histograms.items():
        axes.plot([2**power for power in range(len(counts))], counts, marker="o", markersize=3, label=name)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="length in tokens (up to)", ylabel="examples", title="How long the examples are")
    axes.legend(frameon=False, loc="upper right")


def draw_bars(axes: Any, sizes: Mapping[str, float], unit: str, title: str) -> None:
    """Draw the largest sizes as bars, from the top down."""
    largest = sorted(((name, size) for name, size in sizes.items() if size), key=lambda pair: -pair[1])[:MOST_BARS]
    axes.barh([name for name, _ in largest], [size for _, size in largest])
    axes.invert_yaxis()
    axes.set(xlabel=unit, title=title)


def draw_coverage(axes: Any, vocabulary: Mapping[str, Any]) -> None:
    """Draw how much of the text the most frequent pieces make up."""
    covered = vocabulary["covered by the 1, 2, 4, ... most frequent"]
    counts = [*(2**power for power in range(len(covered) - 1)), vocabulary["pieces"]]
    axes.plot(counts, [100 * share for share in covered], marker="o", markersize=3)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="most frequent pieces of the vocabulary", ylabel="share of all tokens (%)", ylim=(0, 100),
             title="Vocabulary coverage")  # fmt: skip
    unused = f"{vocabulary['never used']:,} of {vocabulary['pieces']:,} pieces\nare never used"
    axes.text(0.97, 0.05, unused, ha="right", transform=axes.transAxes)


def draw_pieces(axes: Any, figures: Mapping[str, Any]) -> None:
    """Draw the pieces per word and per identifier as bars beside each other."""
    width = 0.4
    for place, what in enumerate(("words", "identifiers")):
        shares = figures[f"pieces of {what}"]
        label = f"{what} (mean {figures[f'pieces per {what[:-1]}']:.2f})"
        axes.bar([n + (place - 0.5) * width for n in range(len(shares))], [100 * share for share in shares], width,
                 label=label)  # fmt: skip
    axes.set_xticks(range(len(shares)), [*map(str, range(1, len(shares))), f"{len(shares)}+"])
    axes.set(xlabel="pieces", ylabel="share (%)", title="Pieces of a word of code")
    axes.legend(frameon=False, loc="upper right")
