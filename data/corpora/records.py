"""From the lines of files to examples: records that are skipped and counted, and errors with their place.

Files are read as bytes and split at b"\\n" alone: `str.splitlines` would also split at U+2028, form feeds and other
characters that may stand inside a description or a string literal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data.example import BadRecords, Example
from system.errors import UserError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Record:
    """One record of a file: the example, or the problem that makes it unreadable."""

    place: str  # "file:line"
    example: Example | None
    problem: str = ""


@dataclass
class FileSource:
    """A corpus in files (a `data.example.Source`). Training records may be skipped, evaluation records never."""

    name: str
    language: str
    parts: dict[str, Callable[[], Iterator[Record]]]  # split name -> a fresh pass over its records
    strict: bool = False
    bad: BadRecords = field(default_factory=BadRecords)

    def splits(self) -> dict[str, Iterator[Example]]:
        """Split name -> its examples. Raises UserError at a bad record of dev or test, or of train when strict."""
        return {split: self.train() if split == "train" else self.evaluation(split) for split in self.parts}

    def train(self) -> Iterator[Example]:
        """The usable training examples; the others are counted in `bad`."""
        n_records = n_good = 0
        for record in self.parts["train"]():
            n_records += 1
            problem = record.problem or emptiness(record.example)
            if not problem:
                n_good += 1
                yield record.example
            elif self.strict:
                raise UserError(f"{record.place}: {problem}; mend it, or leave out --data.strict to skip such records")
            else:
                self.bad.add(problem, record.place)
        if not n_good:
            first = f", the first is {self.bad.places[0]}" if self.bad.places else ""
            raise UserError(f"{self.name}: none of its {n_records} training records is usable{first}")

    def evaluation(self, split: str) -> Iterator[Example]:
        """Every example of an evaluation split, empty ones included."""
        for record in self.parts[split]():
            if record.problem:
                raise UserError(f"{record.place}: {record.problem}; mend this {split} record, evaluation skips nothing")
            yield record.example


def emptiness(example: Example) -> str:
    """The name of the part that is empty in an example, or ""."""
    if not (example.nl or "").strip():
        return "empty description"
    return "" if example.code.strip() else "empty code"


def check_file(path: Path, mend: str = "") -> None:
    """Raise UserError with one line when the file is missing, cannot be opened or is empty."""
    hint = f"; {mend}" if mend else ""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise UserError(f"{path} is empty{hint}")
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise UserError(f"{path} {reason}{hint}") from None


def raw_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file with their ends; a byte order mark at the start is dropped."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            yield line.removeprefix(BYTE_ORDER_MARK) if number == 0 else line


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file without their ends (LF or CR LF)."""
    for line in raw_lines(path):
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def utf8(line: bytes) -> str | None:
    """The line as text, or None when it is not UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def check_parallel(nl_path: Path, code_path: Path, mend: str = "") -> int:
    """The number of lines. Raises UserError unless both files are there, not empty, and equally long."""
    check_file(nl_path, mend)
    check_file(code_path, mend)
    n_nl, n_code = (sum(1 for _ in lines(path)) for path in (nl_path, code_path))
    if n_nl != n_code:
        raise UserError(
            f"{nl_path} has {n_nl} lines but {code_path} has {n_code}; line i of one must describe line i of the other"
        )
    return n_nl


@dataclass(frozen=True)
class ParallelLine:
    """A line of two parallel files, numbered from 1."""

    number: int
    place: str
    nl: bytes
    code: bytes


def parallel_lines(nl_path: Path, code_path: Path) -> Iterator[ParallelLine]:
    """The lines of two files side by side, as bytes."""
    for number, (nl, code) in enumerate(zip(lines(nl_path), lines(code_path), strict=True), 1):
        yield ParallelLine(number, f"{nl_path}:{number}", nl, code)


def parallel_record(line: ParallelLine, example_id: str, language: str) -> Record:
    """The pair on a line, stripped of the blanks around both sides (their indentation is not described anywhere)."""
    nl, code = utf8(line.nl), utf8(line.code)
    if nl is None or code is None:
        return Record(line.place, None, f"{'description' if nl is None else 'code'} is not UTF-8")
    return Record(line.place, Example(example_id, nl.strip(), code.strip(), language))
