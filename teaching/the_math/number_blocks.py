"""Blocks of numbers in a Markdown page, written by a program and read back by the tests that check them.

A page names what it wants, and the program puts the numbers under it:

    <!-- numbers: enc.self.Q, enc.self.K -->
    <!-- end of numbers -->

A block has a title line, `NAME  what the columns are`, then one line for each row: a label and the numbers; `|` stands
between groups of columns (the heads). Matrices with the same row labels stand side by side, `‖` between them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from system.atomic_files import write_atomically
from system.errors import UserError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "the_math.md"
BLOCK = re.compile(r"<!-- numbers: (?P<names>[^>]+?) -->\n(?P<text>.*?)<!-- end of numbers -->", re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+$")
DECIMALS, BAND_WIDTH = 4, 106


@dataclass(frozen=True)
class Matrix:
    """A matrix with a label for each row; its columns may form groups, one for each head."""

    values: ndarray  # (rows, columns), or (groups, rows, columns)
    rows: tuple[str, ...]
    columns: str = ""  # what the columns are


def block(matrices: Mapping[str, Matrix]) -> str:
    """The matrices as a block of text, those with equal row labels side by side as far as the page is wide."""
    bands: list[list[list[str]]] = []  # each band is a list of matrices, each a list of lines
    before: tuple[str, ...] = ()
    for name, shown in matrices.items():
        lines = segment(name, shown)
        beside = bands and shown.rows == before and sum(len(m[0]) + 3 for m in bands[-1]) + len(lines[0]) < BAND_WIDTH
        if not beside:
            label_width = max(len(label) for label in shown.rows)
            bands.append([["", *shown.rows]])
            bands[-1][0] = [f"{label:<{label_width}}" for label in bands[-1][0]]
        bands[-1].append(lines)
        before = shown.rows
    return "\n\n".join("\n".join(joined(row) for row in zip(*band)) for band in bands)


def joined(parts: tuple[str, ...]) -> str:
    """One line of a band: the label, then the matrices."""
    return f"  {parts[0]}  {' ‖ '.join(parts[1:])}".rstrip()


def segment(name: str, shown: Matrix) -> list[str]:
    """One matrix without its labels: title and rows, all of the same width."""
    groups = shown.values if shown.values.ndim == 3 else shown.values[None]  # (groups, rows, columns)
    title = f"{name}   {shown.columns}" if shown.columns else name
    if len(groups) > 1:
        title += "   " + " | ".join(f"head {i + 1}" for i in range(len(groups)))
    decimals = 1 if np.array_equal(2 * groups, np.round(2 * groups)) else DECIMALS  # halves are exact
    rows = [
        " |".join("".join(f"{cell(x, decimals):>{decimals + 4}}" for x in group[row]) for group in groups)
        for row in range(len(shown.rows))
    ]
    width = max(len(line) for line in (title, *rows))
    return [f"{line:<{width}}" for line in (title, *rows)]


def cell(x: float, decimals: int) -> str:
    """A number as text, without a sign where it rounds to 0."""
    return f"{x + 0.0 if round(x, decimals) else 0.0:.{decimals}f}"


def fill(page: str, matrices: Mapping[str, Matrix]) -> str:
    """The page with new numbers in every block whose names are all in `matrices`; other blocks are another's."""

    def numbers(match: re.Match[str]) -> str:
        names = names_of(match)
        if not set(names) <= set(matrices):
            return match[0]
        text = block({name: matrices[name] for name in names})
        return f"<!-- numbers: {match['names']} -->\n```text\n{text}\n```\n<!-- end of numbers -->"

    return BLOCK.sub(numbers, page)


def names_of(match: re.Match[str]) -> list[str]:
    """The names of the matrices that a block asks for."""
    return [name.strip() for name in match["names"].split(",")]


def check_names(names: Sequence[str], known: Iterable[str]) -> None:
    """Refuse a name that does not exist. Raises UserError."""
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.4) or known[:3]
            raise UserError(f"there is no {name!r}; near are {', '.join(near)}; without a name all are printed")


def show(names: Sequence[str], matrices: Mapping[str, Matrix], write: bool, page: Path = PAGE) -> None:
    """Print the matrices of these names (none: all of them), or write all into the page. Raises UserError."""
    check_names(names, matrices)
    if write:
        write_atomically(page, fill(page.read_text(encoding="utf-8"), matrices))
    else:
        print(block({name: matrices[name] for name in names or matrices}))


def read(page: str) -> dict[str, ndarray]:
    """Every matrix of the page's blocks by its name: (rows, columns), or (groups, rows, columns)."""
    found: dict[str, ndarray] = {}
    for match in BLOCK.finditer(page):
        text = match["text"].strip().removeprefix("```text").removesuffix("```").strip("\n")
        seen = [pair for band in text.split("\n\n") for pair in read_band(band)]
        if [name for name, _ in seen] != names_of(match):
            raise ValueError(f"{[name for name, _ in seen]} stand where {names_of(match)} should")
        found |= dict(seen)
    return found


def read_band(band: str) -> list[tuple[str, ndarray]]:
    """The matrices that stand side by side, with their names."""
    titles, *rows = [line.split("‖") for line in band.splitlines()]
    pairs = []
    for place, title in enumerate(titles):
        groups = [[numbers_of(cells) for cells in row[place].split("|")] for row in rows]
        array = np.array(groups).swapaxes(0, 1)  # (groups, rows, columns)
        pairs.append((title.strip().partition("   ")[0], array[0] if len(array) == 1 else array))
    return pairs


def numbers_of(cells: str) -> list[float]:
    """The numbers at the end of a line; what stands before them is the label."""
    found: list[float] = []
    for word in reversed(cells.split()):
        if not NUMBER.match(word):
            break
        found.insert(0, float(word))
    return found
