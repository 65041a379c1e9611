"""The student's folder: copies of the stubs, and the record of attempts. No file of a student's is ever overwritten.

`progress.json` there holds, for each exercise, how many attempts were graded, whether one passed, how many hints were
given, and whether there was an attempt since the last one.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from system.atomic_files import check_name, read_json, write_atomically, write_json
from system.errors import UserError
from teaching.exercises.pages import Page


@dataclass
class Record:
    """One exercise's history. An attempt is a graded file that is neither the stub nor what was graded last."""

    attempts: int = 0
    passed: bool = False
    hints: int = 0
    tried_since_hint: bool = False
    last: str = ""  # hash of the file that was graded last

    @property
    def state(self) -> str:
        """For the list."""
        if self.passed:
            return "passed"
        return "untried" if not self.attempts else f"{self.attempts} attempt" + "s" * (self.attempts > 1)


def work_file(folder: Path, page: Page) -> Path:
    """The path of a student's copy of an exercise."""
    return folder / f"{page.folder.name}.py"


def start(folder: Path, page: Page) -> Path | None:
    """Copy the stub into the student's folder: the new file, or None where there is one already. Raises UserError."""
    path = work_file(folder, page)
    if path.exists():
        return None
    make_folder(folder)
    write_atomically(path, page.stub)
    return path


def make_folder(folder: Path) -> None:
    """The student's folder, with a .gitignore of its own, so that it dirties no repository. Raises UserError."""
    check_name(folder)
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); choose another with --folder") from error


def read_records(folder: Path) -> dict[str, Record]:
    """Every exercise's record, by name. Raises UserError when the file is damaged."""
    path = folder / "progress.json"
    if not path.exists():
        return {}
    try:
        return {name: Record(**record) for name, record in read_json(path).items()}
    except (AttributeError, TypeError) as error:
        raise UserError(f"{path} does not hold attempts; delete it to begin counting again") from error


def write_record(folder: Path, name: str, record: Record) -> None:
    """Keep one exercise's record. Raises UserError."""
    records = {other: asdict(kept) for other, kept in read_records(folder).items()}
    write_json(folder / "progress.json", records | {name: asdict(record)})


def count_attempt(folder: Path, page: Page, status: str, text: bytes) -> Record:
    """Count a graded file, if it is an attempt."""
    record = read_records(folder).get(page.name, Record())
    digest = hashlib.sha256(text).hexdigest()
    if digest != record.last and text != page.stub.encode() and status != "unfinished":
        record.attempts += 1
        record.tried_since_hint = True
    record.last = digest
    record.passed = record.passed or status == "passed"
    write_record(folder, page.name, record)
    return record


def next_hint(folder: Path, page: Page) -> int:
    """The number of the hint that may be shown now, 1 to 3, counted as given. Raises UserError with what is due first.

    Each hint needs an attempt of its own before it; after a pass, and after the last one, there is nothing to withhold.
    """
    record = read_records(folder).get(page.name, Record())
    if record.hints >= 3:
        return 3
    if not record.tried_since_hint and not record.passed:
        again = "another attempt" if record.hints else "an attempt"
        raise UserError(f"{page.name}: a hint comes after {again}; change your file, then {command(page.name, folder)}")
    record.hints += 1
    record.tried_since_hint = False
    write_record(folder, page.name, record)
    return record.hints


def may_see_solution(folder: Path, page: Page) -> bool:
    """After a pass or the third hint."""
    record = read_records(folder).get(page.name, Record())
    return record.passed or record.hints >= 3


DEFAULT = Path("exercises")


def command(name: str, folder: Path, option: str = "") -> str:
    """The command that grades, to be shown."""
    words = ["python -m teaching.exercises", name, option, "" if folder == DEFAULT else f"--folder {folder}"]
    return " ".join(word for word in words if word)
