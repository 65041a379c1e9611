"""Which result lines of a suite count. Rows are compared under one code alone, with what a proof lets in beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from experiments.laboratory.plan import refused_rows
from experiments.laboratory.suite import Suite, definition, rows_of, seeds_of

Line = dict[str, Any]


def let_in(code: str, lines: Iterable[Line]) -> list[Line]:
    """The lines that say which other code counts as `code`, and as that one, and so on; the last one said first."""
    said = [line for line in lines if "accepts" in line]
    found: list[Line] = []
    reached = {code}
    while new := [line for line in reversed(said) if line["for"] in reached and line["accepts"] not in reached]:
        found.append(new[0])
        reached.add(new[0]["accepts"])
    return found


def codes_beside(code: str, lines: Iterable[Line]) -> set[str]:
    """A code, and those whose lines count as its own."""
    return {code, *(line["accepts"] for line in let_in(code, lines))}


def lines_of_rows(suite: Suite, lines: Sequence[Line], code: str) -> dict[tuple[str, int], Line]:
    """(row, seed) -> the line that stands for it under a code; where several do, the last one of that code itself."""
    codes = codes_beside(code, lines)
    definitions = {row: definition(suite, row) for row in rows_of(suite)}
    wanted, found = wanted_runs(suite, definitions), {}
    for line in sorted(lines, key=lambda line: line.get("code_hash") == code):
        key = line.get("row"), line.get("seed")
        counts = key in wanted and line.get("suite") == suite.name and not line.get("tuning")
        if counts and line.get("definition") == definitions[key[0]] and line.get("code_hash") in codes:
            found[key] = line
    return found


def wanted_runs(suite: Suite, rows: Iterable[str]) -> set[tuple[str, int]]:
    """(row, seed) of every run of these rows."""
    return {(row, seed) for row in rows for seed in seeds_of(suite, row)}


def possible_runs(suite: Suite, lines: Sequence[Line]) -> set[tuple[str, int]]:
    """The runs that a complete suite has: those of all its rows that are not refused."""
    refused = refused_rows(suite, lines)
    return wanted_runs(suite, [row for row in rows_of(suite) if row not in refused])


def is_complete(wanted: Collection[tuple[str, int]], found: Collection[tuple[str, int]]) -> bool:
    """Whether every run that is wanted has a line."""
    return set(wanted) <= set(found)


def codes_newest_first(lines: Iterable[Line]) -> list[str]:
    """Every code that has made lines, or as which others count, by the last line that says so."""
    said = [line.get("code_hash") or line.get("for") for line in lines]
    return list(dict.fromkeys(code for code in reversed(said) if code))


def lines_that_count(suite: Suite, lines: Sequence[Line]) -> tuple[str, list[Line], list[Line]]:
    """The code that is shown, its lines, and the lines by which others were let in.

    The newest code under which every row is complete; where there is none, the one with most lines, the newest of
    several.
    """
    best: tuple[str, dict[tuple[str, int], Line]] = "", {}
    wanted = possible_runs(suite, lines)
    for code in codes_newest_first(lines):
        found = lines_of_rows(suite, lines, code)
        if is_complete(wanted, found):
            best = code, found
            break
        if len(found) > len(best[1]):
            best = code, found
    code, found = best
    return code, list(found.values()), let_in(code, lines) if code else []


def codes_that_count(suite: Suite, lines: Sequence[Line], today: str) -> tuple[str, set[str]]:
    """For a suite that is to go on: the code as which lines count, and all whose lines do.

    It is today's, unless earlier code has made the suite complete and nothing says that its lines are today's too:
    then the suite is done, and its runs are not made again.
    """
    lines = [line for line in lines if line.get("suite") == suite.name]
    wanted = possible_runs(suite, lines)
    for code in (today, *codes_newest_first(lines)):
        if is_complete(wanted, lines_of_rows(suite, lines, code)):
            return code, codes_beside(code, lines)
    return today, codes_beside(today, lines)
