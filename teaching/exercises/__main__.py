"""Exercises on the chapter's equations: list them, begin one, grade it, ask for a hint.

    python -m teaching.exercises                        the list, with what you have tried and passed
    python -m teaching.exercises attention              begin it; once begun, grade your file
    python -m teaching.exercises attention --hint       the next hint, one attempt before each
    python -m teaching.exercises attention --solution   the reference, after a pass or the third hint

Your files are in `exercises/`, which git ignores, or in --folder. Exit status: 0 passed, begun or shown; 1 not passed;
2 a mistake in the command.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from system.errors import UserError
from system.options import parse, run_and_report
from teaching.exercises import report
from teaching.exercises.own_process import run
from teaching.exercises.pages import Page, all_pages, find
from teaching.exercises.progress import (
    DEFAULT,
    command,
    count_attempt,
    may_see_solution,
    next_hint,
    read_records,
    start,
    work_file,
)


@dataclass(frozen=True)
class Settings:
    """The options of the exercises' command."""

    name: Annotated[str, tyro.conf.Positional] = ""  # an exercise's name or number; empty: list all
    hint: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False  # show the next hint
    solution: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False  # show the reference solution
    folder: Path = DEFAULT  # where your files and attempts are kept


def grade(page: Page, folder: Path) -> tuple[list[str], int]:
    """Begin an exercise, or grade the student's file: the lines to show and the exit status. Raises UserError."""
    made = start(folder, page)
    if made is not None:
        return report.start_lines(page, made, folder), 0
    path = work_file(folder, page)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it a file that you may read") from error
    verdict, printed = run(page.name, path)
    record = count_attempt(folder, page, verdict.status, text)
    return report.verdict_lines(verdict, printed, page, record, folder), int(verdict.status != "passed")


def answer(settings: Settings) -> tuple[list[str], int]:
    """The lines to show and the exit status of a command. Raises UserError."""
    pages, folder = all_pages(), settings.folder
    if not settings.name:
        if settings.hint or settings.solution:
            raise UserError("--hint and --solution need the name of an exercise before them")
        return report.list_lines(pages, read_records(folder), folder), 0
    page = find(settings.name, pages)
    if settings.hint:
        return report.hint_lines(page, next_hint(folder, page)), 0
    if settings.solution:
        if not may_see_solution(folder, page):
            due = command(page.name, folder, "--hint")
            raise UserError(f"{page.name}: the solution comes after a pass or the third hint; {due}")
        return page.solution.splitlines(), 0
    return grade(page, folder)


def main(arguments: list[str]) -> int:
    """Run one command."""
    settings = parse(Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m teaching.exercises")
    lines, status = answer(settings)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
