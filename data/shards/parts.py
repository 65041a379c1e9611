"""A build by several machines, or several times on one: each reads and encodes its part, a last step writes the index.

    python -m data build FOLDER --out OUT --part 1/2     reads every second unit; on another machine --part 2/2
    the same two commands again                          write the shards of these units
    python -m data build FOLDER --out OUT                writes the index, corpus.json

Whoever comes when all parts have read also looks for duplicates and learns the tokenizer, which takes all of them, and
goes on with its own shards. FOLDER and OUT lie where all machines see them. What comes out is what one build makes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from data.shards.build import choose_examples, encode_units, extract_units, finished, is_read, lock_of, plan_of, start
from data.shards.sources import Origin, Unit, units_of
from system.atomic_files import read_json, write_json
from system.errors import UserError

PARTS = "parts.json"  # of an unfinished build: in how many parts it was begun


@dataclass(frozen=True)
class Part:
    """One of the parts of a build."""

    number: int  # from 1
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def units(self, n_units: int) -> range:
        """The numbers of its units: every `of`-th one, as neighbours are alike and cost alike."""
        return range(self.number - 1, n_units, self.of)


def read_part(text: str) -> Part:
    """The part that --part names. Raises UserError."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    part = Part(*map(int, found.groups())) if found else None
    if part is None or not 1 <= part.number <= part.of:
        raise UserError(f"--part is {text!r}; give K/N with K from 1 to N, such as 1/2 here and 2/2 on another machine")
    return part


def build_part(
    origins: Sequence[Origin], out: Path, part: Part, targets: dict[str, list[str]], vocab_size: int, tokenizer: str,
    workers: int,
) -> str:
    """Do what can be done now of a part, and say what comes next. Raises UserError."""
    units, work, workers = units_of(origins), out / "work", workers or os.cpu_count() or 1
    plan = plan_of(origins, units, targets, vocab_size, tokenizer)
    with lock_of(out):
        if finished(out, plan) is not None:
            return f"part {part}: the corpus is there already"
        start(out, work, plan, targets)
        begin_parts(work, part, out)
    try:
        with FileLock(work / f"part-{part.number}.lock", timeout=0):  # dies with its owner
            extract_units(units, work, part.units(len(units)), workers)
            if unread := parts_that_lack(work, units, part.of):
                others = ", ".join(map(str, unread))
                return f"part {part} is read, {others} not yet; when all are, give each of these commands again"
            with lock_of(out):
                counts, _ = choose_examples(units, work, out, vocab_size, tokenizer)
            encode_units(counts, work, out, part.units(len(units)), workers)
            write_json(work / f"encoded-{part.number}.json", str(part))
    except Timeout:
        raise UserError(f"part {part} of {out} is being built by another process; give another part") from None
    return f"part {part} is written; when all are, the same command without --part writes the index"


def begin_parts(work: Path, part: Part, out: Path) -> None:
    """Note in how many parts a build is made. Raises UserError where it was begun in another number of them."""
    place = work / PARTS
    begun = read_json(place) if place.is_file() else part.of
    if begun != part.of:
        raise UserError(f"--part is {part}, but {out} was begun in {begun} parts; give --part K/{begun}")
    write_json(place, part.of)


def parts_that_lack(work: Path, units: Sequence[Unit], n_parts: int) -> list[Part]:
    """The parts that have not read all of their units."""
    parts = (Part(number, n_parts) for number in range(1, n_parts + 1))
    return [part for part in parts if not all(is_read(work, number) for number in part.units(len(units)))]


def refuse_missing_parts(out: Path) -> None:
    """Before the index of a build that was begun in parts, raise UserError where one of them is not written."""
    work = out / "work"
    if not (work / PARTS).is_file():
        return
    n_parts = read_json(work / PARTS)
    for number in range(1, n_parts + 1):
        if not (work / f"encoded-{number}.json").is_file():
            raise UserError(f"part {number}/{n_parts} of {out} is not written; give --part {number}/{n_parts} first")
