"""Blocks of numbers in a Markdown page: written by a program, read back by the tests that check them.

A page names what it wants, and the program puts the numbers under it:

    <!-- numbers: enc.self.Q, enc.self.K -->
    <!-- end of numbers -->

A block has a title line for each matrix, `NAME  what the columns are`, then one line for each row: a label and the
numbers; `|` stands between groups of columns (the heads).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy import ndarray

BLOCK = re.compile(r"<!-- numbers: (?P<names>[^>]+?) -->\n(?P<text>.*?)<!-- end of numbers -->", re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+$|-?\d+$")
DECIMALS = 4


class Shown(Protocol):
    """What a block can show."""

    values: ndarray  # (rows, columns), or (groups, rows, columns)
    rows: tuple[str, ...]
    columns: str


def block(name: str, shown: Shown) -> str:
    """Title line and rows."""
    groups = shown.values if shown.values.ndim == 3 else shown.values[None]  # (groups, rows, columns)
    width = max((len(label) for label in shown.rows), default=0)
    title = name + (f"   columns: {shown.columns}" if shown.columns else "")
    if len(groups) > 1:
        title += "   " + " | ".join(f"head {i + 1}" for i in range(len(groups)))
    lines = [title]
    for row, label in enumerate(shown.rows):
        cells = " | ".join("".join(f"{cell(x):>{DECIMALS + 5}}" for x in group[row]) for group in groups)
        lines.append(f"  {label:<{width}}{cells}")
    return "\n".join(lines)


def cell(x: float) -> str:
    """A number with four decimals, and none of -0.0000."""
    return f"{x + 0.0 if round(x, DECIMALS) else 0.0:.{DECIMALS}f}"


def fill(page: str, matrices: Mapping[str, Shown]) -> str:
    """The page with the numbers that its blocks name. Raises KeyError for a name that does not exist."""

    def numbers(match: re.Match[str]) -> str:
        names = [name.strip() for name in match["names"].split(",")]
        text = "\n\n".join(block(name, matrices[name]) for name in names)
        return f"<!-- numbers: {match['names']} -->\n```text\n{text}\n```\n<!-- end of numbers -->"

    return BLOCK.sub(numbers, page)


def read(page: str) -> dict[str, ndarray]:
    """Every matrix of the page's blocks by its name: (rows, columns), or (groups, rows, columns)."""
    found: dict[str, ndarray] = {}
    for match in BLOCK.finditer(page):
        names = [name.strip() for name in match["names"].split(",")]
        parts = match["text"].strip().removeprefix("```text").removesuffix("```").strip("\n").split("\n\n")
        for name, part in zip(names, parts, strict=True):
            title, *rows = part.splitlines()
            if title.partition("   ")[0] != name:
                raise ValueError(f"the page has {title!r} where {name!r} should stand")
            groups = [[numbers_of(cells) for cells in row.split("|")] for row in rows]
            array = np.array(groups).swapaxes(0, 1)  # (groups, rows, columns)
            found[name] = array[0] if len(array) == 1 else array
    return found


def numbers_of(cells: str) -> list[float]:
    """The numbers at the end of a line; what stands before them is the label."""
    found: list[float] = []
    for word in reversed(cells.split()):
        if not NUMBER.match(word):
            break
        found.insert(0, float(word))
    return found
