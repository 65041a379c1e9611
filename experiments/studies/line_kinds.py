"""Which kinds of test lines the rows of a suite get right, from the 0/1 vectors of their result lines.

    python -m experiments.studies.line_kinds pretraining "nothing, all pairs" "infilling, 8 M, all pairs"

Django is a benchmark of copying: three of five dev lines hold a word that no training line has. A difference of two
rows says more where it is known whether it is theirs, or that of lines whose every word is known. Means over the seeds
of a row, of the code that has most of its lines; kinds go by the lines that the first row has trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy
import tyro

from data.code.tokens import split_tokens
from data.config import DataConfig
from data.example import Example
from data.splits import read_splits
from evaluation.metrics import unpack_bits
from experiments.record.cells import as_text
from experiments.record.lines import read_suite
from experiments.record.measurement import ROOT
from experiments.record.records import ResultLine, look_up, runs
from system.errors import UserError
from system.options import parse, run_and_report
from training.run.settings_file import from_dict

LENGTH_BOUNDS = (6, 15)  # tokens up to which a line is short, of middle length


@dataclass(frozen=True)
class Settings:
    """Which rows, which lines."""

    suite: Annotated[str, tyro.conf.Positional]  # a file of docs/results
    rows: Annotated[tuple[str, ...], tyro.conf.Positional]  # of the suite; differences are from the first
    split: str = "dev"  # whose lines
    data_path: str = ""  # folder of the corpus; empty: the cache


def main(arguments: list[str]) -> int:
    """Print the table."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.line_kinds")
    lines = runs(read_suite(ROOT / "docs" / "results", settings.suite))
    of_rows = [lines_of(lines, row, settings.split) for row in settings.rows]
    if not of_rows:
        raise UserError("no row is named; name one or more of the suite's")
    first = of_rows[0][0]
    data = from_dict(DataConfig, {**first.config["data"], "path": settings.data_path}, settings.suite)
    splits = read_splits(first.config["corpus"], data, first.seed)
    rights = [share_right(row, settings.split) for row in of_rows]
    references = list(splits.tests[settings.split])
    if any(len(right) != len(references) for right in rights):
        raise UserError(f"{settings.split} has {len(references)} lines here, others than those that were scored")
    print(as_text(*table(settings.rows, rights, kinds_of(splits.train, references))), end="")
    return 0


def lines_of(lines: Sequence[ResultLine], row: str, split: str) -> list[ResultLine]:
    """The row's lines of the code that made most of them, the newest of several. Raises UserError without any."""
    found = [
        line for line in lines
        if line.row == row and not (line.trial and line.trial.tuning) and look_up(line, ("bits", split, "exact"))
    ]  # fmt: skip
    if not found:
        raise UserError(f"no result line of a row {row!r} has which lines of {split} are right; check the row's name")
    codes = [line.code_hash for line in reversed(found)]  # the newest first
    code = max(dict.fromkeys(codes), key=codes.count)
    return [line for line in found if line.code_hash == code]


def share_right(lines: Sequence[ResultLine], split: str) -> numpy.ndarray:
    """For every example the share of the runs that have it right: (n,)."""
    return numpy.mean([unpack_bits(line.bits[split]["exact"]) for line in lines], axis=0)


def kinds_of(train: Sequence[Example], references: Sequence[Example]) -> dict[str, numpy.ndarray]:
    """Kind -> which references are of that kind (n,): by their words and strings, and by their length."""
    known = {token for example in train for token in split_tokens(example.code, example.language)}
    tokens = [split_tokens(example.code, example.language) for example in references]
    new = numpy.array([not known.issuperset(of_line) for of_line in tokens])
    quoted = numpy.array([any(token[-1:] in "'\"" for token in of_line) for of_line in tokens])
    lengths = numpy.array([len(of_line) for of_line in tokens])
    short, middle = LENGTH_BOUNDS
    return {
        "all": numpy.ones(len(references), dtype=bool),
        "every token is known": ~new,
        "a new token, no string": new & ~quoted,
        "a new token, a string": new & quoted,
        f"up to {short} tokens": lengths <= short,
        f"{short + 1} to {middle} tokens": (short < lengths) & (lengths <= middle),
        f"more than {middle} tokens": lengths > middle,
    }


def table(
    rows: Sequence[str], rights: Sequence[numpy.ndarray], kinds: dict[str, numpy.ndarray]
) -> tuple[list[str], list[list[str]]]:
    """Head and lines: how many of each kind each row has right, in percent, and the differences from the first."""
    differing = ["difference"] if len(rows) == 2 else [f"{row}, difference" for row in rows[1:]]
    head = ["lines", "n", *(f"{row} (%)" for row in rows), *differing]
    cells = []
    for kind, chosen in kinds.items():
        shares = [100 * right[chosen].mean() if chosen.any() else float("nan") for right in rights]
        differences = [f"{share - shares[0]:+.1f}" for share in shares[1:]]
        cells.append([kind, str(chosen.sum()), *(f"{share:.1f}" for share in shares), *differences])
    return head, cells


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
