"""The cross-attention of one example as a picture: which source piece each generated piece looks at (chapter 2.3)."""

from __future__ import annotations

import math
from typing import Any

from evaluation.report.diff import escape

CELL = 17  # side of a cell in pixels: a label of 11 pixels stays legible beside it
LETTER = 6.7  # width of a letter of the labels
MAX_PIECES = 60  # a longer side is cut, and the caption says so
LONGEST_LABEL = 16  # letters of a piece that are written out
FAINTEST = 0.02  # a smaller weight is not drawn: it could not be seen


def attention_map(example: dict[str, Any]) -> str:
    """The SVG of one record of attention.json: one row per target piece, one column per source piece.

    The last column, where there is one, is the copy head's share of each step.
    """
    source = [label(piece) for piece in example["source"][:MAX_PIECES]]
    target = [label(piece) for piece in example["target"][:MAX_PIECES]]
    copy = example.get("copy")
    left, top = label_width(target), label_width(source)
    width = left + (len(source) + (2 if copy else 0)) * CELL + 4
    height = top + len(target) * CELL + 4
    parts = [
        f'<svg class="attention" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>Cross-attention of {len(target)} target pieces over {len(source)} source pieces</title>"
    ]
    parts += column_labels(source, left, top)
    parts += row_labels(target, left, top)
    parts += cells(example["weights"], source, target, left, top)
    if copy:
        parts += copy_column(copy[: len(target)], left + (len(source) + 1) * CELL, top)
    return "".join([*parts, "</svg>"])


def label(piece: object) -> str:
    """A piece as written beside the map: blanks visible, long ones cut."""
    text = str(piece).replace(" ", "\u2423").replace("\n", "\u21b5").replace("\t", "\u2192") or "\u2205"
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "\u2026"


def label_width(labels: list[str]) -> int:
    """The width of the longest label in pixels."""
    return round(max((len(text) for text in labels), default=0) * LETTER) + 10


def column_labels(labels: list[str], left: int, top: int) -> list[str]:
    """The source pieces, written upwards above their columns."""
    return [
        f'<text transform="translate({left + index * CELL + CELL * 0.7:.1f},{top - 4}) rotate(-90)">'
        f"{escape(text)}</text>"
        for index, text in enumerate(labels)
    ]


def row_labels(labels: list[str], left: int, top: int) -> list[str]:
    """The target pieces, ending beside their rows."""
    return [
        f'<text x="{left - 5}" y="{top + index * CELL + CELL * 0.72:.1f}" text-anchor="end">{escape(text)}</text>'
        for index, text in enumerate(labels)
    ]


def cells(weights: list[list[float]], source: list[str], target: list[str], left: int, top: int) -> list[str]:
    """A frame, a faint line under every fifth row and column to guide the eye, and a square for each weight."""
    width, height = len(source) * CELL, len(target) * CELL
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>']
    for step in range(5, len(target), 5):
        parts.append(f'<path class="guide" d="M{left} {top + step * CELL}h{width}"/>')
    for step in range(5, len(source), 5):
        parts.append(f'<path class="guide" d="M{left + step * CELL} {top}v{height}"/>')
    for row, (piece, line) in enumerate(zip(target, weights, strict=False)):
        for column, (word, weight) in enumerate(zip(source, line, strict=False)):
            if weight >= FAINTEST:
                note = f"{piece} \u2190 {word}: {weight:.0%}"
                parts.append(square(left + column * CELL, top + row * CELL, weight, "weight", note))
    return parts


def copy_column(shares: list[float], x: float, top: int) -> list[str]:
    """The column that shows how much of each step's probability comes from copying."""
    frame = f'<rect class="frame" x="{x}" y="{top}" width="{CELL}" height="{len(shares) * CELL}"/>'
    head = f'<text transform="translate({x + CELL * 0.7:.1f},{top - 4}) rotate(-90)">copied</text>'
    squares = [
        square(x, top + row * CELL, share, "copy", f"copied: {share:.0%}") for row, share in enumerate(shares)
    ]
    return [frame, head, *squares]


def square(x: float, y: float, share: float, kind: str, note: str) -> str:
    """One cell; the number appears when the pointer rests on it."""
    opacity = math.sqrt(min(1.0, max(0.0, share)))
    return (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill-opacity="{opacity:.2f}">'
        f"<title>{escape(note)}</title></rect>"
    )
