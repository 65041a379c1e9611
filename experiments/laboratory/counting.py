"""Which result lines of a suite count. Rows are compared under one code alone, with what a proof lets in beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from experiments.laboratory.plan import refused_rows
from experiments.laboratory.suite import Suite, definition, rows_of, seeds_of
from experiments.record.records import CodeVerdict, Record, ResultLine, runs, verdicts

RunKey = tuple[str, int]  # row, seed


def accepting_verdicts(code: str, lines: Iterable[Record]) -> list[CodeVerdict]:
    """The verdicts by which other code counts as `code`, directly or through a third; the newest stands first."""
    said = [line for line in verdicts(lines) if line.accepts is not None]
    found: list[CodeVerdict] = []
    reached = {code}
    while new := [line for line in reversed(said) if line.newer in reached and line.accepts not in reached]:
        found.append(new[0])
        reached.add(new[0].accepts)
    return found


def codes_that_count_as(code: str, lines: Iterable[Record]) -> set[str]:
    """A code, and all codes whose lines count as its own."""
    return {code, *(line.accepts for line in accepting_verdicts(code, lines))}


def lines_of_rows(suite: Suite, lines: Sequence[Record], code: str) -> dict[RunKey, ResultLine]:
    """(row, seed) -> the line that stands for it under a code; where several do, the last one of that code itself."""
    codes = codes_that_count_as(code, lines)
    definitions = {row: definition(suite, row) for row in rows_of(suite)}
    wanted, found = wanted_runs(suite, definitions), {}

    for line in sorted(runs(lines), key=lambda line: line.code_hash == code):
        key = line.row, line.seed
        if key not in wanted or line.suite != suite.name or line.trial is None or line.trial.tuning:
            continue
        if line.trial.definition == definitions[line.row] and line.code_hash in codes:
            found[key] = line
    return found


def wanted_runs(suite: Suite, rows: Iterable[str]) -> set[RunKey]:
    """The (row, seed) of every run that these rows need."""
    return {(row, seed) for row in rows for seed in seeds_of(suite, row)}


def complete_code(
    suite: Suite, lines: Sequence[Record], by_code: Mapping[str, Mapping[RunKey, ResultLine]]
) -> str | None:
    """The first code under which every run of every possible row has a line; None where there is no such code."""
    refused = refused_rows(suite, lines)
    wanted = wanted_runs(suite, [row for row in rows_of(suite) if row not in refused])
    return next((code for code, found in by_code.items() if wanted <= found.keys()), None)


def codes_newest_first(lines: Iterable[Record]) -> list[str]:
    """Every code that has made lines, or as which other code counts, ordered by its last line."""
    said = [line.newer if isinstance(line, CodeVerdict) else line.code_hash for line in lines]
    return list(dict.fromkeys(code for code in reversed(said) if code))


def lines_that_count(suite: Suite, lines: Sequence[Record]) -> tuple[str, list[ResultLine], list[CodeVerdict]]:
    """The code that is shown, its lines, and the lines by which others were let in.

    The newest code under which every row is complete; where there is none, the one with most lines, the newest of
    several.
    """
    by_code = {code: lines_of_rows(suite, lines, code) for code in codes_newest_first(lines)}
    code = complete_code(suite, lines, by_code)
    if code is None:
        code = max(by_code, key=lambda code: len(by_code[code]), default="")
    if not (found := by_code.get(code)):
        return "", [], []
    return code, list(found.values()), accepting_verdicts(code, lines)


def codes_that_count(suite: Suite, lines: Sequence[Record], today: str) -> tuple[str, set[str]]:
    """The code under which a suite is continued, and all codes whose lines count as its own.

    It is today's, unless earlier code has made the suite complete and nothing says that its lines are today's too:
    then the suite is done, and its runs are not made again.
    """
    lines = [line for line in lines if line.suite == suite.name]
    by_code = {code: lines_of_rows(suite, lines, code) for code in (today, *codes_newest_first(lines))}
    code = complete_code(suite, lines, by_code) or today
    return code, codes_that_count_as(code, lines)
