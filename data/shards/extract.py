"""The first program of a build: the files of a unit -> its examples, and what tells which of them are to go.

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
import sys
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from data.atomic_files import write_atomically, write_json
from data.packages import is_generated, module_name
from data.python_functions import definitions, digest, functions, other_code, pieces, texts
from data.shards.contamination import Contamination
from data.shards.duplicates import N_BANDS, N_VALUES
from data.shards.signatures import Signer, bands, word_hash
from data.shards.sources import LANGUAGES, is_licence, why_not

KINDS = ("function", "code", "text")  # described functions; code without a description; prose
HEAD = re.compile(r"\A(?:[ \t]*(?:#|//|/?\*|--|;|<!--|\.\.).*\n|\s*\n)+")  # the comment at the head of a file
Found = tuple[str, str, str | None, str, str, str]  # kind, id, description, code, language, key


def extract(job: dict[str, Any]) -> dict[str, Any]:
    """Do one unit."""
    counts: Counter[str] = Counter()
    contamination, signer = targets_in(job["targets"]), Signer()
    lines, keys, signatures, sizes = [], [], [], []
    for inside, path in job["files"]:
        for kind, id, nl, code, language, key in file_examples(inside, Path(path), job, contamination, counts):
            signature = signer.sign(code if nl is None else f"{nl}\n{code}")
            own = word_hash(f"{kind}\0{key}")
            lines.append(json.dumps([kind, id, nl, code, language], ensure_ascii=False))
            keys.append([own, *(value ^ KINDS.index(kind) for value in bands(signature, own))])
            signatures.append(numpy.zeros(N_VALUES, numpy.uint32) if signature is None else signature)
            sizes.append(len(code) + len(nl or ""))
            counts[f"examples: {kind}"] += 1
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
    """The benchmarks' targets, read once."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return Contamination(content["targets"], content["languages"])


def file_examples(
    inside: str, path: Path, job: dict[str, Any], contamination: Contamination, counts: Counter[str]
) -> Iterator[Found]:
    """The examples of one file, none where it is left out; why is counted."""
    counts["files"] += 1
    language = LANGUAGES.get(path.suffix.lower(), "python")
    text = read_text(path, language, counts)
    if text is None:
        return
    name = module_name(inside) if job["is_package"] else f"{job['origin']}/{inside}"
    if language == "python":
        try:
            yield from python_examples(name, text, contamination, counts)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            counts["files: do not parse"] += 1
    else:
        yield from other_examples(name, language, text, contamination, counts)


def read_text(path: Path, language: str, counts: Counter[str]) -> str | None:
    """A file's text; None, and a count, where it is not UTF-8 (Python: what it declares), generated, or no text."""
    content = path.read_bytes()
    counts["bytes"] += len(content)
    if is_generated(content):
        counts["files: generated"] += 1
        return None
    try:
        if language == "python":
            with tokenize.open(path) as file:
                text = file.read()
        else:
            text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except (SyntaxError, UnicodeError):
        counts["files: not UTF-8"] += 1
        return None
    problem = why_not(text, language)
    if problem:
        counts[f"files: {problem}"] += 1
        return None
    head = HEAD.match(text)
    if head and is_licence(1, head[0]):
        counts["licence headers"] += 1
        return "\n" * head[0].count("\n") + text[head.end() :]  # the others keep their numbers
    return text


def python_examples(
    name: str, text: str, contamination: Contamination, counts: Counter[str]
) -> Iterator[Found]:
    """Described functions; every function's code and what stands between functions; docstrings and longer comments."""
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
    for number, (line, piece) in enumerate(other_code(tree, defined, lines)):
        if not is_contaminated(contamination, piece, "", "python", counts):
            yield "code", f"{name}:other:{line}.{number}", None, piece, "python", digest(piece)
    for line, whole in texts(tree, defined, lines):
        if is_licence(line, whole):
            counts["licence headers"] += 1
            continue
        for number, piece in enumerate(pieces(whole)):
            yield "text", f"{name}:text:{line}.{number}", None, piece, "text", digest(piece)


def other_examples(
    name: str, language: str, text: str, contamination: Contamination, counts: Counter[str]
) -> Iterator[Found]:
    """A file of another language, or of prose, in pieces that end with lines."""
    kind = "text" if language == "text" else "code"
    for number, piece in enumerate(pieces(text.strip("\n"))):
        if kind == "text" or not is_contaminated(contamination, piece, "", language, counts):
            yield kind, f"{name}:{kind}:{number}", None, piece, language, digest(piece)


def is_contaminated(
    contamination: Contamination, code: str, key: str, language: str, counts: Counter[str]
) -> bool:
    """Whether a piece of code repeats a benchmark; if so, it is counted under benchmark and rule."""
    found = contamination.found_in(code, key, language)
    if found:
        counts[f"contaminated: {found[0]}, {found[1]}"] += 1
    return bool(found)


def main() -> None:
    """Answer every job on standard input with one line of JSON: its counts."""
    warnings.simplefilter("ignore")  # other people's invalid escapes are not ours to report
    for line in sys.stdin:
        print(json.dumps(extract(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
