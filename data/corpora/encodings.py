"""The one place where a file's bytes become text: which encoding it has, and what is refused as a whole.

A file is UTF-8, or UTF-16 with a mark at its beginning, or what `--data.encoding` says. A byte that its encoding does
not know becomes a lone surrogate, by which `undecodable` knows it again: only the record that holds it is refused.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from data.corpora.foreign import check_content
from system.errors import UserError

MARKS = {  # the longer ones first: UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}
MARK = "\ufeff"  # as it reads; in the middle of a file another one begins there
MARK_INSIDE = "a byte order mark in the middle of the file (two files put together?)"
NOT_TEXT = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")  # they change what is written
EXAMPLES = "the name of one, as utf-16-le, cp1252 or shift_jis"
HEAD = 4096  # bytes that are looked at
WIDE = (  # encoding, bytes a character, and of English text the place of a byte that is NUL and of one that is not
    ("utf-32-le", 4, 2, 0), ("utf-32-be", 4, 1, 3), ("utf-16-le", 2, 1, 0), ("utf-16-be", 2, 0, 1),
)  # fmt: skip
FEWEST = 6  # characters from which an encoding shows
HEADER = 8  # characters at a beginning that are English in most files, whatever follows
NULS = 0.8  # share of NULs at those places of a file where UTF-16 or UTF-32 of English text has them all


def check_encoding(name: str) -> None:
    """Raise ValueError unless Python knows an encoding of text under this name; empty is UTF-8."""
    if not name:
        return
    try:
        known = codecs.lookup(name)
    except (LookupError, ValueError):
        raise ValueError(f"data.encoding={name!r} is unknown; give {EXAMPLES}") from None
    if not known._is_text_encoding or known.name.replace("-", "_") in NOT_TEXT:
        raise ValueError(f"data.encoding={name!r} is no encoding of text; give {EXAMPLES}")


def encoding_of(path: Path, given: str = "") -> str:
    """The encoding to read a file with: its mark's, or else the one given, or UTF-8.

    Raises UserError for a file that is plainly something else: UTF-16 without a mark, a zip archive, ...
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    check_content(path, head)
    marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), "")
    if marked == "utf-32" and not given:
        raise UserError(f"{path} is UTF-32; give --data.encoding utf-32, or save it as UTF-8")
    if not marked and not given and (wide := wide_encoding(head)):
        raise UserError(
            f"{path} holds NULs, as {wide} without a mark does; give --data.encoding {wide}, or save it as UTF-8"
        )
    if not marked and given and (name := codecs.lookup(given).name) in ("utf-16", "utf-32"):
        raise UserError(f"{path} has no mark of {name}; give --data.encoding {name}-le or {name}-be")
    return marked or given or "utf-8"


def wide_encoding(head: bytes) -> str:
    """The encoding of two or four bytes a character that the NULs of a file's beginning show, or ""."""
    for name, width, nul, letter in WIDE:
        for part in (head, head[: HEADER * width]):
            nuls, letters = part[nul::width], part[letter::width]
            if len(letters) >= FEWEST and nuls.count(0) >= NULS * len(nuls) and not letters.count(0):
                return name
    return ""


def open_text(path: Path, encoding: str = "", newline: str = "\n") -> TextIO:
    """A file as text. `newline` as of `open`: line ends stay as they are, and lines end at it, or "": at any line end.

    Line ends of one CR each (old Macs') become LF where a file has no others.
    """
    name = encoding_of(path, encoding)
    errors = "surrogateescape" if name.startswith("utf-8") else "data.lone_surrogate"
    with path.open(encoding=name, errors=errors, newline="") as file:
        only_returns = has_only_returns(file)
    return path.open(encoding=name, errors=errors, newline=None if only_returns else newline)


def lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    """Put a lone surrogate where bytes cannot be decoded (encodings other than UTF-8 have no surrogateescape)."""
    return "\udcff", error.end


codecs.register_error("data.lone_surrogate", lone_surrogate)


def has_only_returns(file: TextIO) -> bool:
    """Whether the lines of a text end in CR alone, none in LF."""
    returns = False
    for chunk in iter(lambda: file.read(1 << 16), ""):
        if "\n" in chunk:
            return False
        returns = returns or "\r" in chunk
    return returns


def raw_lines(path: Path, encoding: str = "") -> Iterator[str]:
    """The lines of a file with their ends; a byte order mark at the start is dropped.

    They end at LF alone: `str.splitlines` would also split at U+2028, form feeds and other characters that may stand
    inside a description or a string literal.
    """
    with open_text(path, encoding) as file:
        yield from file


def lines(path: Path, encoding: str = "") -> Iterator[str]:
    """The lines of a file without their ends (LF or CR LF)."""
    for line in raw_lines(path, encoding):
        yield line.removesuffix("\n").removesuffix("\r")


def undecodable(text: str) -> bool:
    """Whether a text holds bytes that its encoding does not know, or half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def not_decoded(encoding: str) -> str:
    """What is wrong with an undecodable text."""
    if encoding:
        return f"not {encoding} as --data.encoding says"
    return "not UTF-8 (files in another encoding need its name: --data.encoding cp1252)"
