"""The first program of a build: it extracts a unit's examples, and the keys that tell which of them must go.

Reads one job a line (JSON: the unit, where to write, the benchmarks' targets) and answers with what it counted. Writes

    NAME.examples   gzip of JSON lines: [kind, id, description or null, code, language]
    NAME.keys       uint64 (1 + N_BANDS, n): what equal and what nearly equal examples have in common
    NAME.signatures uint32 (n, N_VALUES)
    NAME.sizes      int32 (n): characters
    NAME.json       the counts, last: a unit is done when they are there
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import textwrap
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from data.mining.packages import is_generated, module_name
from data.mining.python_functions import (
    LONGEST_CHUNK,
    definitions,
    digest,
    functions,
    is_utf8,
    other_code,
    pieces,
    texts,
)
from data.shards.contamination import Contamination
from data.shards.duplicates import N_BANDS, N_VALUES
from data.shards.signatures import Signer, bands, word_hash
from data.shards.sources import LANGUAGE_OF_ENDING, why_not
from data.shards.store import UNIT_KINDS
from system.atomic_files import write_atomically, write_json
from system.job_processes import answer_jobs, stop_if_alone

WRAPPED_WIDTH = 200  # characters of a line that a long one is cut into
LICENCE_LINES = 40  # lines in which a file's licence stands
COMMENTS = ("#", "//", "--", ";", "..")  # what a line of comment begins with, in one language or another
LONG_COMMENTS = {"/*": "*/", "<!--": "-->"}
LICENCE_FILE = re.compile(  # by its name without the ending
    r"(?:un|mit[-_.]?)?licen[sc]es?(?:[-_.](?:mit|apache|bsd|gpl|lgpl|mpl|\d.*))*|copying(?:\.\w+)?|copyrights?|notices?|patents",
    re.IGNORECASE,
)
LICENCE = re.compile(r"copyright|licen[sc]e|spdx-|all rights reserved|without warrant", re.IGNORECASE)
Found = tuple[str, str, str | None, str, str, str]  # kind, id, description, code, language, key


def extract(job: dict[str, Any]) -> dict[str, Any]:
    """Extract one unit."""
    counts: Counter[str] = Counter()
    contamination, signer = targets_in(job["targets"]), Signer()
    lines, keys, signatures, sizes = [], [], [], []

    for inside, path in job["files"]:
        for kind, id, nl, code, language, key in file_examples(inside, Path(path), job, contamination, counts):
            signature = signer.sign(code if nl is None else f"{nl}\n{code}")
            own = word_hash(f"{kind}\0{key}")
            lines.append(json.dumps([kind, id, nl, code, language], ensure_ascii=False))
            keys.append([own, *(value ^ UNIT_KINDS.index(kind) for value in bands(signature, own))])
            signatures.append(numpy.zeros(N_VALUES, numpy.uint32) if signature is None else signature)
            sizes.append(len(code) + len(nl or ""))
            counts[f"examples: {kind}"] += 1

    stop_if_alone()
    out = Path(job["out"])
    table = numpy.array(keys, "<u8").reshape(-1, 1 + N_BANDS).T
    write_atomically(out.with_suffix(".examples"), gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0))
    write_atomically(out.with_suffix(".keys"), numpy.ascontiguousarray(table).tobytes())
    write_atomically(out.with_suffix(".signatures"), numpy.array(signatures, "<u4").tobytes())
    write_atomically(out.with_suffix(".sizes"), numpy.array(sizes, "<i4").tobytes())
    counts["examples"] = len(lines)
    write_json(out.with_suffix(".json"), dict(counts))
    return dict(counts)


@cache
def targets_in(path: str) -> Contamination:
    """The benchmarks' targets, read once per process."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return Contamination(content["targets"], content["languages"])


def file_examples(
    inside: str, path: Path, job: dict[str, Any], contamination: Contamination, counts: Counter[str]
) -> Iterator[Found]:
    """The examples of one file, none where it is left out; the reason is counted."""
    counts["files"] += 1
    language = LANGUAGE_OF_ENDING.get(path.suffix.lower(), "python")
    text = read_text(path, language, counts) if is_utf8(inside) else None  # a file's name is a part of ids
    if text is None:
        return
    name = module_name(inside) if job["is_package"] else f"{job['origin']}/{inside}"
    if language == "python":
        try:
            yield from python_examples(name, text, contamination, counts)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            counts["left out: files that do not parse"] += 1
    else:
        yield from other_examples(name, language, text, contamination, counts)


def read_text(path: Path, language: str, counts: Counter[str]) -> str | None:
    """A file's text without its licence; None, and a count, where it is generated, data, or cannot be read.

    UTF-8 is expected, of Python what the file declares.
    """
    if language == "text" and LICENCE_FILE.fullmatch(path.stem):
        counts["left out: licence files"] += 1
        return None

    try:
        content = path.read_bytes()
        counts["bytes"] += len(content)
        if is_generated(content, language):
            counts["left out: generated files"] += 1
            return None
        with tokenize.open(path) if language == "python" else open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (SyntaxError, UnicodeError, LookupError, OSError):  # LookupError: an encoding that is none
        counts["left out: files that cannot be read"] += 1
        return None

    problem = why_not(text, language)
    if problem:
        counts[f"left out: {problem}"] += 1
        return None
    kept = without_licence(text)
    counts["left out: licence headers"] += kept != text
    return kept


def without_licence(text: str) -> str:
    """The text, in whose first LICENCE_LINES lines the blocks of comments that name a licence become empty lines."""
    lines = text.split("\n")
    block: list[int] = []
    open_until = ""  # what closes the comment that we are in
    for number, line in enumerate([*lines[:LICENCE_LINES], ""]):
        bare = line.strip()
        opened = next((end for start, end in LONG_COMMENTS.items() if bare.startswith(start)), "")
        if open_until or opened or bare.startswith(COMMENTS):
            block.append(number)
            open_until = "" if (open_until or opened or "\0") in bare else open_until or opened
        else:
            if LICENCE.search("\n".join(lines[place] for place in block)):
                lines = ["" if place in block else kept for place, kept in enumerate(lines)]
            block = []
    return "\n".join(lines)


def python_examples(
    name: str, text: str, contamination: Contamination, counts: Counter[str]
) -> Iterator[Found]:
    """The examples of a Python file: described functions, code of and between functions, docstrings, comments."""
    tree, lines = ast.parse(text), text.split("\n")
    defined = list(definitions(tree))
    used: Counter[str] = Counter()

    for qualified, line, description, code, key in functions(defined, lines):
        if is_contaminated(contamination, code, key, "python", counts):
            continue
        if description:
            used[qualified] += 1
            number = f"#{used[qualified]}" if used[qualified] > 1 else ""
            yield "function", f"{name}:{qualified}{number}", description, code, "python", key
        for number, piece in enumerate(pieces(code)):
            yield "code", f"{name}:code:{line}.{number}", None, piece, "python", f"{key}.{number}"

    for line, source in other_code(tree, defined, lines):
        if not is_contaminated(contamination, source, "", "python", counts):
            for number, piece in enumerate(pieces(source)):
                yield "code", f"{name}:other:{line}.{number}", None, piece, "python", digest(piece)

    for line, whole in texts(tree, defined, lines):
        if line <= LICENCE_LINES and LICENCE.search(whole):
            counts["left out: licence headers"] += 1
            continue
        for number, piece in enumerate(pieces(whole)):
            yield "text", f"{name}:text:{line}.{number}", None, piece, "text", digest(piece)


def other_examples(
    name: str, language: str, text: str, contamination: Contamination, counts: Counter[str]
) -> Iterator[Found]:
    """The examples of a file of another language, or of prose: pieces that end with lines."""
    kind = "text" if language == "text" else "code"
    lines = (part for line in text.strip("\n").split("\n") for part in wrapped(line))
    for number, piece in enumerate(pieces("\n".join(lines))):
        if kind == "text" or not is_contaminated(contamination, piece, "", language, counts):
            yield kind, f"{name}:{kind}:{number}", None, piece, language, digest(piece)


def wrapped(line: str) -> list[str]:
    """A line as it is, or wrapped where a whole paragraph is one line."""
    return textwrap.wrap(line, WRAPPED_WIDTH) if len(line) > LONGEST_CHUNK else [line]


def is_contaminated(
    contamination: Contamination, code: str, key: str, language: str, counts: Counter[str]
) -> bool:
    """Whether a piece of code repeats a benchmark; if so, it is counted under benchmark and rule."""
    found = contamination.found_in(code, key, language)
    if found:
        counts[f"left out: {found[0]}, by {found[1]}"] += 1
    return bool(found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # other people's invalid escapes are not ours to report
    answer_jobs(extract)
