"""The texts in the terminal: the list, a verdict, hints, and the explanation after a pass."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

from system.terminal import error_line, shown
from teaching.exercises.grading import Verdict
from teaching.exercises.pages import AFTERWARDS, ANSWER, HINTS, Page
from teaching.exercises.progress import Record, command

STATUS_COLOURS = {"passed": "32", "wrong": "31", "broken": "31", "unfinished": "33"}  # green, red, yellow
TEXT_WIDTH = 110  # of text that is wrapped here
LINES_PRINTED = 20  # of what the student's code prints


def coloured(text: str, colour: str) -> str:
    """The text in a terminal's colour, plain where the output is no terminal or NO_COLOR is set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{colour}m{text}\033[0m"


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of one table, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def list_lines(pages: list[Page], records: dict[str, Record], folder: Path) -> list[str]:
    """The list of all exercises with difficulty, minutes and state."""
    rows = [["", "exercise", "about", "difficulty", "minutes", "state"]]
    rows += [
        [f"{page.number:2}", page.name, page.about, f"{page.difficulty} of 3", f"{page.minutes:3}",
         records.get(page.name, Record()).state]
        for page in pages
    ]  # fmt: skip
    n_passed = sum(record.passed for record in records.values())
    return [
        *aligned(rows), "",
        f"{n_passed} of {len(pages)} passed. Begin one, and grade it later, with: {command('NAME', folder)}",
        "How it works: docs/exercises/README.md",
    ]


def start_lines(page: Page, path: Path, folder: Path) -> list[str]:
    """The lines that a student sees before the first line of code."""
    return [
        f"{page.name}: {path} is yours to fill in; the task is in {shown_path(page.folder / 'README.md')}",
        "", f"{page.title}: difficulty {page.difficulty} of 3, about {page.minutes} minutes, {page.form}", "",
        "Predict first, and write your answer into PREDICTION in the file:", "", *indented(page.question), "",
        f"Then grade it: {command(page.name, folder)}",
    ]


def verdict_lines(verdict: Verdict, printed: str, page: Page, record: Record, folder: Path) -> list[str]:
    """The verdict first, then what explains it, what the code printed, and what comes next."""
    lines = [coloured(error_line(verdict.line), STATUS_COLOURS[verdict.status])]  # code may have written its end
    if verdict.table:
        lines += ["", *indented("\n".join(aligned(verdict.table)))]
    lines += [""] * bool(verdict.details) + indented("\n".join(verdict.details))
    for name, check in verdict.mistakes:
        lines += ["", *indented(textwrap.fill(f"This is what '{name}' gives. To see it: {check}.", TEXT_WIDTH))]

    if printed.strip():
        rows = printed.rstrip().splitlines()
        more = [f".. and {len(rows) - LINES_PRINTED} more lines"] if len(rows) > LINES_PRINTED else []
        lines += ["", "Your code printed:", *indented(shown("\n".join(rows[:LINES_PRINTED] + more)))]

    if verdict.status == "passed":
        return [*lines, "", *after_pass(verdict, page)]
    if not verdict.prediction:
        lines += ["", "PREDICTION in your file is empty; answer the question before the code, it costs a minute."]
    if verdict.status == "unfinished":
        return [*lines, "", f"The task: {shown_path(page.folder / 'README.md')}"]
    if record.tried_since_hint:
        more = "--hint" if record.hints < 3 else "--solution"
        lines += ["", f"Stuck? {command(page.name, folder, more)}"]
    return lines


def after_pass(verdict: Verdict, page: Page) -> list[str]:
    """The answer beside the prediction, all hints, the reference, and what to explain."""
    lines = ["The question:", "", *indented(page.question), ""]
    lines += [f"You predicted: {shown(verdict.prediction) or '(nothing)'}", ""]
    lines += [f"{ANSWER}:", "", *indented(page.answer)]
    for number in (1, 2, 3):
        lines += ["", *hint_lines(page, number)]
    return [*lines, "", f"{AFTERWARDS}:", "", *indented(page.afterwards)]


def hint_lines(page: Page, number: int) -> list[str]:
    """One hint; the third brings the reference solution with it."""
    lines = [f"{HINTS[number - 1]}", "", *indented(page.hints[number - 1])]
    return lines + (["", *indented(page.solution)] if number == 3 else [])


def indented(text: str) -> list[str]:
    """Lines set off from what the grader says itself."""
    return [f"  {line}".rstrip() for line in text.splitlines()]


def shown_path(path: Path) -> str:
    """A path as short as it can be from here."""
    return os.path.relpath(path)
