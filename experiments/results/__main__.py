"""Keep the results of runs, and make the pages that show them.

    python -m experiments.results                                  make the pages in docs/ and README's table
    python -m experiments.results add runs/quickstart              append a finished run's line
    python -m experiments.results add runs/copy --suite django --row "django, copy head"
    python -m experiments.results measured FILE --suite speed      append what a measuring command wrote with --json
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.record.compact_lines import Line
from experiments.record.lines import append_line, measurement_lines, read_suites, run_line
from experiments.record.measurement import ROOT
from experiments.record.records import Record, stored_line
from experiments.results import six_strategies
from experiments.results.front import front_table
from experiments.results.pages import index, results_pages
from experiments.results.readme import effect_rows, readme_table
from experiments.results.suites_page import claims_page, math_table, write_plots
from system.atomic_files import write_atomically
from system.errors import UserError

TARGETS_HEAD = """# Targets, and what came out

Made by `python -m experiments.results` from the lines in `docs/results/*.jsonl`; changes by hand are overwritten. The
targets were set before the runs (`experiments/record/targets.py`). Where a figure is that of an ensemble or a reranker
its command says so: `python -m experiments.benchmarks django` writes with three networks and lets a reverse model
choose. Every other score is one network's, of one seed.

"""


@dataclass(frozen=True)
class Add:
    """Append the result line of a finished run."""

    run: Annotated[Path, tyro.conf.Positional]  # the run folder
    suite: str = ""  # file in docs/results that gets the line; empty: the run folder's name
    row: str = ""  # what the tables call it; empty: the run folder's name
    command: str = ""  # the exact command that made it; empty: the one the run has recorded


@dataclass(frozen=True)
class AddMeasured:
    """Append the rows of a measuring command's JSON file."""

    file: Annotated[Path, tyro.conf.Positional]  # written with --json
    suite: str = "speed"  # speed, checks, benchmarks, choosing, few_shot or gradient_norms


@dataclass(frozen=True)
class Pages:
    """Make the pages in docs/ that lines show, and README's table (the default)."""


Command = (
    Annotated[Add, tyro.conf.subcommand("add")]
    | Annotated[AddMeasured, tyro.conf.subcommand("measured")]
    | Annotated[Pages, tyro.conf.subcommand("pages")]
)


def add(command: Add, folder: Path) -> None:
    """Append a run's line, and print whether it was there already. Raises UserError."""
    suite = command.suite or command.run.resolve().name
    append([stored_line(run_line(command.run, suite, command.row, command.command))], folder, suite)


def add_measured(command: AddMeasured, folder: Path) -> None:
    """Append the rows of a measurement. Raises UserError."""
    append(measurement_lines(command.file, command.suite), folder, command.suite)


def append(lines: Sequence[Line], folder: Path, suite: str) -> None:
    """Append the lines that the suite's file does not have yet, and print how many these are."""
    n = sum([append_line(folder, line) for line in lines])
    path, already = folder / f"{suite}.jsonl", len(lines) - n
    print(f"{n} appended to {path}" + (f"; {already} stood there already" if already else ""))


def make_pages(root: Path) -> None:
    """Write the pages in docs/ made from lines, the pictures, and a table in two others. Raises UserError."""
    suites = read_suites(root / "docs" / "results")
    readme, math = root / "README.md", root / "docs" / "the_math.md"
    text = with_table(readme, front_table(suites)) if readme.exists() else None
    derived = with_table(math, math_table(suites), "pieces") if math.exists() else None
    pages = results_pages(suites)
    write_atomically(root / "docs" / "results.md", index(pages))
    for page in pages:
        write_atomically(root / "docs" / "results" / f"{page.name}.md", page.text)
    write_atomically(root / "docs" / "targets.md", targets_page(suites))
    write_atomically(root / "docs" / "claims.md", claims_page(suites))
    write_plots(suites, root / "docs" / "suites")
    for path, content in ((readme, text), (math, derived)):
        if content is not None:
            write_atomically(path, content)
    print("made the pages in docs" + (" and README.md's table" if text else "; there is no README.md"))


def targets_page(suites: Mapping[str, list[Record]]) -> str:
    """docs/targets.md: single measurements, effects of the suites, and the six strategies, each with its target."""
    return TARGETS_HEAD + readme_table(suites, [*effect_rows(suites), six_strategies.readme_row(suites)])


def with_table(page: Path, table: str, name: str = "results") -> str:
    """A page's text with `table` between two markers. Raises UserError when the markers are not there once each."""
    text, begin, end = page.read_text(encoding="utf-8"), f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise UserError(f"{page}: the lines {begin} and {end} must stand there once each, in this order; put them in")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{table}{end}{rest.split(end)[1]}"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run one command; a mistake that the user can mend is one line on standard error and exit status 2."""
    command = tyro.cli(
        Command, prog="python -m experiments.results", default=Pages(), args=arguments,
        description=__doc__.splitlines()[0],
    )
    try:
        if isinstance(command, Add):
            add(command, root / "docs" / "results")
        elif isinstance(command, AddMeasured):
            add_measured(command, root / "docs" / "results")
        else:
            make_pages(root)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
