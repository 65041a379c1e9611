"""The rows of a user's files that cannot be used, copied as they stand into files to mend (`train.py ... --check`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from data.config import DataConfig
from data.corpora.encodings import encoding_of, open_text
from data.corpora.files import with_ending
from data.corpora.records import FileSource, unusable
from data.corpora.tables import ENDINGS
from data.example import BadRecords
from system.errors import UserError

PLACE = re.compile(r"(.+?):(\d+)(?::\d+)?")  # file:line, with a column where it is known
WITH_HEADER = (".csv", ".tsv")


@dataclass(frozen=True)
class Refused:
    """A record that cannot be used: the lines of its file that it stands on, and why."""

    place: str  # "file:line"
    problem: str
    lost: int  # records, or lines, that are lost with it
    end: int | None  # the first line behind it; None: it reaches to the end of the file

    @property
    def path(self) -> Path:
        """Its file; of parallel text that of the descriptions."""
        return Path(PLACE.fullmatch(self.place)[1])

    @property
    def first(self) -> int:
        """Its first line, from 1."""
        return line_of(self.place)


def line_of(place: str) -> int:
    """The line of a place, from 1."""
    return int(PLACE.fullmatch(place)[2])


def refused_records(source: FileSource, split: str) -> Iterator[Refused]:
    """The records of a split that training leaves out, or that evaluation refuses.

    A record ends where the next one begins. One behind which its file is not read on reaches to the file's end.
    """
    waiting: tuple[str, str, int] | None = None
    for record in source.parts[split]():
        if waiting is not None:
            yield Refused(*waiting, end=line_of(record.place))
        problem = record.problem or (unusable(record.example) if split == "train" else "")
        waiting = (record.place, problem, record.lost) if problem else None
    if waiting is not None:
        yield Refused(*waiting, end=None)


def copy_refused(source: FileSource, split: str, data: DataConfig, folder: Path) -> tuple[BadRecords, list[Path]]:
    """Copy a split's refused rows into new files in `folder`. Returns what was wrong, and the files: none, one or two.

    A table's copy has its header, and of parallel text there are two, of the same lines. Where the rest of a file
    cannot be read, those before it are copied, and what reads the file next will say so. Raises OSError.
    """
    bad, rows = BadRecords(), []
    try:
        for row in refused_records(source, split):
            bad.add(row.problem, row.place, row.lost)
            rows.append(row)
    except UserError:
        pass
    if not rows:
        return bad, []
    path = rows[0].path
    paths = [path]
    if path.suffix.lower() not in ENDINGS:
        paths.append(with_ending(path.parent / path.name.removesuffix(f".{data.nl}"), f".{data.code}"))
    header = line_of(next(source.parts[split]()).place) - 1 if path.suffix.lower() in WITH_HEADER else 0
    return bad, [copy_lines(path, header, rows, folder, data.encoding) for path in paths]


def copy_lines(path: Path, header: int, rows: Sequence[Refused], folder: Path, given: str) -> Path:
    """Write the first `header` lines of a file and those of some rows into a new file, which is returned.

    It has the encoding of the file, which is `given` or the file's own; a byte that is none stays in UTF-8 alone.
    """
    with open_text(path, given, newline="" if path.suffix.lower() in WITH_HEADER else "\n") as file:
        lines = list(file)
    wanted, copied = lines[:header], header
    for row in rows:
        end = len(lines) if row.end is None else max(row.end - 1, row.first)
        wanted += lines[max(row.first - 1, copied) : end]  # rows of a JSON list may stand on one line
        copied = max(copied, end)
    encoding = encoding_of(path, given)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    return write_new(folder, f"{path.stem}.refused", path.suffix, "".join(wanted).encode(encoding, errors))


def write_new(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write a file under a name that is free, with a number where it must be: what was mended is not written over."""
    for number in count(1):
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{suffix}"
        try:
            with path.open("xb") as file:
                file.write(content)
            return path
        except FileExistsError:
            if path.is_file() and path.read_bytes() == content:
                return path
    raise AssertionError("count() does not end")
