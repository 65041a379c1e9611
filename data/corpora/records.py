"""From the lines of files to examples: records that are skipped and counted, and errors with their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from data.corpora.encodings import MARK, MARK_INSIDE, lines, not_decoded, raw_lines, undecodable
from data.example import BadRecords, Example
from system.atomic_files import kind_of
from system.errors import UserError

MOST_LETTERS = 1_000_000  # of a side of a training pair: each objective of each epoch cuts it into pieces once more


@dataclass(frozen=True)
class Row:
    """One row of a file of named columns: its values by column, or the problem that makes it unreadable."""

    path: Path
    line: int  # from 1, where the row begins
    values: dict[str, Any] | None
    problem: str = ""
    column: int = 0  # from 1, where in the line the problem is, or the row begins behind another one; 0: not needed
    cause: int = 0  # the line of another row that is to blame for the problem
    lost: int = 1  # records that are lost with it when it has a problem
    remark: str = ""  # what is to be said of the row although it is taken
    encoding: str | None = None  # of its file, where a value with a lone surrogate is one of undecodable bytes

    @property
    def where(self) -> str:
        """"line" or "line:column", which no other row of the file has."""
        return f"{self.line}" + (f":{self.column}" if self.column else "")

    @property
    def place(self) -> str:
        """"file:line" or "file:line:column"."""
        return f"{self.path}:{self.where}"


@dataclass(frozen=True)
class Record:
    """One record of a file: the example, or the problem that makes it unreadable."""

    place: str  # "file:line"
    example: Example | None
    problem: str = ""
    cause: int = 0  # the line of another record that is to blame for the problem
    lost: int = 1  # records, or lines, that are lost with it when it has a problem
    remark: str = ""  # what is to be said of it although it is taken

    def in_words(self, problem: str) -> str:
        """The problem, and the line that is to blame where that is another one."""
        return problem + (f" (see line {self.cause})" if self.cause else "")


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
            self.bad.remark(record.remark)
            n_records += record.lost if record.problem else 1
            problem = record.problem or unusable(record.example)
            if not problem:
                n_good += 1
                yield record.example
            elif self.strict:
                problem = record.in_words(problem)
                raise UserError(f"{record.place}: {problem}; mend it, or leave out --data.strict to skip such records")
            else:
                self.bad.add(problem, record.place, record.lost)
        if not n_good:
            first = f", the first is {self.bad.places[0]}" if self.bad.places else ""
            raise UserError(f"{self.name}: none of its {n_records} training records is usable{first}")

    def evaluation(self, split: str) -> Iterator[Example]:
        """Every example of an evaluation split, empty ones included."""
        for record in self.parts[split]():
            self.bad.remark(record.remark)
            if record.problem:
                problem = record.in_words(record.problem)
                raise UserError(f"{record.place}: {problem}; mend this {split} record, evaluation skips nothing")
            yield record.example


def unusable(example: Example) -> str:
    """Why nothing can be learnt from a pair, or "": one part is empty, or far longer than any network here reads."""
    if not (example.nl or "").strip():
        return "empty description"
    if max(len(example.nl), len(example.code)) > MOST_LETTERS:
        return f"longer than {MOST_LETTERS:,} letters"
    return "" if example.code.strip() else "empty code"


def check_file(path: Path, mend: str = "") -> None:
    """Raise UserError with one line when the file is missing, cannot be opened or is empty."""
    hint = f"; {mend}" if mend else ""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is {kind_of(path)}, which cannot be read more than once; save it to a file first")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise UserError(f"{path} is empty{hint}")
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise UserError(f"{path} {reason}{hint}") from None


def check_parallel(nl_path: Path, code_path: Path, mend: str = "", encoding: str = "") -> int:
    """The number of lines. Raises UserError unless both files are there, not empty, and equally long."""
    check_file(nl_path, mend)
    check_file(code_path, mend)
    n_nl, n_code = (sum(1 for _ in lines(path, encoding)) for path in (nl_path, code_path))
    if n_nl != n_code:
        raise UserError(
            f"{nl_path} has {n_nl} lines but {code_path} has {n_code}; line i of one must describe line i of the other"
        )
    return n_nl


def has_last_line_end(path: Path, encoding: str = "") -> bool:
    """Whether the last line of a file has its end."""
    last = ""
    for line in raw_lines(path, encoding):
        last = line
    return last.endswith("\n")


@dataclass(frozen=True)
class ParallelLine:
    """A line of two parallel files, numbered from 1."""

    number: int
    place: str
    nl: str
    code: str


def parallel_lines(nl_path: Path, code_path: Path, encoding: str = "") -> Iterator[ParallelLine]:
    """The lines of two files side by side; bytes that cannot be decoded are lone surrogates."""
    both = zip_longest(lines(nl_path, encoding), lines(code_path, encoding))
    for number, (nl, code) in enumerate(both, 1):
        if nl is None or code is None:  # they were equally long when they were counted
            longer = nl_path if code is None else code_path
            raise UserError(f"{longer}:{number}: a line came while it was read; start again when nobody writes there")
        yield ParallelLine(number, f"{nl_path}:{number}", nl, code)


def parallel_record(line: ParallelLine, example_id: str, language: str, encoding: str = "") -> Record:
    """The pair on a line, stripped of the blanks around both sides (their indentation is not described anywhere)."""
    for side, text in (("description", line.nl), ("code", line.code)):
        if undecodable(text):
            return Record(line.place, None, f"{side} is {not_decoded(encoding)}")
        if "\0" in text:
            return Record(line.place, None, f"{side} holds NULs (is the file damaged?)")
        if text.startswith(MARK):
            return Record(line.place, None, f"{side} begins with {MARK_INSIDE}")
    return Record(line.place, Example(example_id, line.nl.strip(), line.code.strip(), language))
