"""The exercises in docs/exercises: a folder for each, with its page, hints, stub and solution.

    README.md    title, one line of facts, the question to predict first, the task
    hints.md     three hints, the answer to the question, what to explain afterwards; shown one by one
    stub.py      what a student fills in
    solution.py  the reference

`python -m teaching.exercises.pages` prints the list that docs/exercises/README.md has to hold.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from system.errors import UserError

EXERCISES_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "exercises"
FACTS = re.compile(
    r"^Difficulty (?P<difficulty>[123]) of 3, importance (?P<importance>[123]) of 3, about (?P<minutes>\d+) minutes; "
    r"(?P<form>[^;]+); (?P<about>.+)\.$",
    re.MULTILINE,
)
HINTS = ("Hint 1: what must hold", "Hint 2: where to look", "Hint 3: the solution")
ANSWER, AFTERWARDS = "The answer to the question", "Explain afterwards"


@dataclass(frozen=True)
class Page:
    """One exercise as its folder describes it."""

    folder: Path
    name: str  # of the folder without its number, which is also the function's
    title: str
    difficulty: int  # 1 to 3
    importance: int  # 1 to 3
    minutes: int  # an estimate for somebody who has just read the page
    form: str  # one blank, some blanks, a whole function
    about: str  # equation or topic
    question: str  # to be answered before any code
    hints: tuple[str, str, str]
    answer: str
    afterwards: str

    @property
    def number(self) -> int:
        """Its place in the order."""
        return int(self.folder.name.partition("_")[0])

    @property
    def stub(self) -> str:
        """The file to fill in."""
        return (self.folder / "stub.py").read_text(encoding="utf-8")

    @property
    def solution(self) -> str:
        """The reference solution."""
        return (self.folder / "solution.py").read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """The text under each `## ` heading."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {title.strip(): body.strip() for title, body in zip(parts[::2], parts[1::2])}


def read_page(folder: Path) -> Page:
    """One folder. Raises UserError when a part is missing."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    facts, title = FACTS.search(text), re.match(r"# \d+\. (.+)", text)
    hints = sections((folder / "hints.md").read_text(encoding="utf-8"))
    missing = [name for name in (*HINTS, ANSWER, AFTERWARDS) if not hints.get(name)]
    question = sections(text).get("Predict first", "")
    if facts is None or title is None or missing or not question:
        what = missing[0] if missing else "a title, a line of facts and a question"
        raise UserError(f"{folder}: its pages lack {what}; see how another exercise has it")
    return Page(
        folder, folder.name.partition("_")[2], title.group(1), int(facts["difficulty"]), int(facts["importance"]),
        int(facts["minutes"]), facts["form"], facts["about"], question, tuple(hints[name] for name in HINTS),
        hints[ANSWER], hints[AFTERWARDS],
    )  # fmt: skip


def all_pages() -> list[Page]:
    """Every exercise, in order. Raises UserError where the folder is not, as in an installation without docs/."""
    pages = [read_page(path.parent) for path in sorted(EXERCISES_FOLDER.glob("*/README.md"))]
    if not pages:
        raise UserError(f"{EXERCISES_FOLDER} holds no exercises; run this in a copy of the whole repository")
    return pages


def find(name: str, pages: list[Page]) -> Page:
    """The exercise called `name`, or with that number. Raises UserError with what may have been meant."""
    for page in pages:
        if name in (page.name, page.folder.name) or name.isdigit() and int(name) == page.number:
            return page
    near = difflib.get_close_matches(name, [page.name for page in pages], 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise UserError(f"{name} is not an exercise{meant}; python -m teaching.exercises lists them")


def index(pages: list[Page]) -> str:
    """The list in docs/exercises/README.md, as a Markdown table."""
    rows = ["| | exercise | name | about | form | difficulty | importance | minutes |", "|" + "---|" * 8]
    rows += [
        f"| {page.number} | [{page.title}]({page.folder.name}/README.md) | `{page.name}` | {page.about} | {page.form} "
        f"| {page.difficulty} | {page.importance} | {page.minutes} |"
        for page in pages
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(index(all_pages()), end="")
