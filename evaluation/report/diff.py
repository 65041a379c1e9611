"""The differences of two programs: the text that the prediction lacks, and the text that it adds.

The marks do not rest on colour alone: what is missing is struck through, what was added is underlined, and both are
`<del>` and `<ins>`, which screen readers announce.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from evaluation.aligned import opcodes
from system import terminal

TOKEN = re.compile(r"\w+|\n|[^\S\n]+|[^\w\s]")  # every character belongs to exactly one token
INDENTATION = re.compile(r"(\n[^\S\n]+)")
INVISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {0x7F: "\u2421"}
INVISIBLE |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # lone surrogates cannot be written as UTF-8
UNSEEN = re.compile(f"[\x80-\x9f{terminal.UNSEEN}]")  # turn the direction of writing, or have no width
MARKS = {"missing": "del", "added": "ins"}


@dataclass(frozen=True)
class Piece:
    """A run of text that both programs have, that only the reference has, or that only the prediction has."""

    text: str
    kind: Literal["same", "missing", "added"]


def diff(reference: str, prediction: str) -> list[Piece]:
    """The pieces, in order; without "added" they spell the reference, without "missing" the prediction."""
    left, right = TOKEN.findall(reference), TOKEN.findall(prediction)
    pieces = []
    for _, i1, i2, j1, j2 in opcodes(left, right):
        old, new = "".join(left[i1:i2]), "".join(right[j1:j2])
        if old == new:
            pieces.append(Piece(old, "same"))
        else:
            pieces += [Piece(text, kind) for text, kind in ((old, "missing"), (new, "added")) if text]
    return pieces


def marked(pieces: list[Piece], kind: Literal["missing", "added"]) -> str:
    """One side of the diff as HTML: the shared pieces, and those of `kind` marked."""
    side = [piece for piece in bridged(pieces) if piece.kind in ("same", kind)]
    parts = []
    for same, group in groupby(side, key=lambda piece: piece.kind == "same"):
        text = "".join(piece.text for piece in group)
        parts.append(escape(text) if same else mark(text, MARKS[kind]))
    return "".join(parts)


def bridged(pieces: list[Piece]) -> list[Piece]:
    """The same pieces with each lone blank between two changes made part of the change: fewer, longer marks."""
    result = []
    for index, piece in enumerate(pieces):
        between = 0 < index < len(pieces) - 1 and piece.kind == "same" and piece.text == " "
        if between and "same" not in (pieces[index - 1].kind, pieces[index + 1].kind):
            result += [Piece(piece.text, "missing"), Piece(piece.text, "added")]
        else:
            result.append(piece)
    return result


def mark(text: str, tag: str) -> str:
    """`text` in a `<del>` or `<ins>`, indentation outside; blanks and line ends that stand alone are drawn."""
    if not text.strip():
        text = text.replace(" ", "\u00b7").replace("\t", "\u2192").replace("\n", "\u21b5\n")
    marked_lines = INDENTATION.sub(rf"</{tag}>\1<{tag}>", f"<{tag}>{escape(text)}</{tag}>")
    return marked_lines.replace(f"<{tag}></{tag}>", "")


def escape(value: object) -> str:
    """Escape text of a user or a model for HTML text and quoted attributes."""
    seen = UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", str(value).translate(INVISIBLE))
    return html.escape(seen, quote=True)
