"""What code is asked for: a text of the command line, lines of a pipe or a file, or what is typed at a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO

from system.errors import UserError

AT_ONCE = 32  # descriptions that are decoded together, which is much faster than one by one
LONGEST_LINE = 2**20  # bytes


def with_prompt_text(argv: list[str]) -> list[str]:
    """The words of a command, where `--prompt` without a text has "-" for one, and a text may begin with a "-"."""
    words = []
    for before, word, following in zip(["", *argv], argv, [*argv[1:], "--"]):
        if word == "--prompt":
            words.append("--prompt=-" if following.startswith("--") else f"--prompt={following}")
        elif before != "--prompt" or word.startswith("--"):
            words.append(word)
    return words


def is_typed(prompt: str) -> bool:
    """Whether somebody at a terminal types descriptions, and waits for each answer."""
    return prompt == "-" and sys.stdin.isatty()


def descriptions(prompt: str) -> Iterator[list[str]]:
    """The prompt itself, or for "-" what standard input holds, in groups to be decoded together. Raises UserError."""
    if is_typed(prompt):
        return typed()
    return in_groups(sys.stdin.buffer) if prompt == "-" else iter([[prompt]])


def typed() -> Iterator[list[str]]:
    """What is typed, each line as a group of its own, until Ctrl-D."""
    with contextlib.suppress(ImportError):  # arrow keys bring back what was typed; Windows' console has its own
        import readline  # noqa: F401
    print("a description, then Enter; Ctrl-D ends (on Windows Ctrl-Z and Enter)", file=sys.stderr)
    while True:
        try:
            text = as_utf8(input("> " if sys.stdout.isatty() else "")).strip()
        except EOFError:
            return
        except UnicodeError:
            print("that was not UTF-8; type it again", file=sys.stderr)
            continue
        if text:
            yield [text]


def as_utf8(text: str) -> str:
    """A typed text, also where Python takes a terminal of UTF-8 for one of another encoding. Raises UnicodeError."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:  # it holds bytes that were not decoded
        return text.encode(sys.stdin.encoding, "surrogateescape").decode("utf-8")


def in_groups(stream: IO[bytes]) -> Iterator[list[str]]:
    """The lines of a stream that are not blank: as many together as have come, and at most AT_ONCE.

    So a file is decoded in large groups, and whoever writes into a pipe and waits gets each answer at once. Raises
    UserError where a line is no text, and where there was none.
    """
    n_lines = n_texts = 0
    for lines in lines_at_hand(stream):
        texts = [text for number, line in enumerate(lines, n_lines + 1) if (text := text_of(line, number))]
        n_lines += len(lines)
        n_texts += len(texts)
        for start in range(0, len(texts), AT_ONCE):
            yield texts[start : start + AT_ONCE]
    if not n_texts:
        raise UserError("--prompt - reads descriptions from standard input, one a line; there was none")


def lines_at_hand(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """The whole lines that have come, whenever some have; the last one may lack its end. Raises UserError."""
    rest, n_lines = b"", 0
    while block := stream.read1(2**16):  # waits for something, not for all of it
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > LONGEST_LINE:
            number = n_lines + len(lines) + 1
            raise UserError(f"line {number} of standard input is longer than a mebibyte; give one description a line")
        n_lines += len(lines)
        yield lines
    yield [rest]


def text_of(line: bytes, number: int) -> str:
    """A line of standard input as text, without the mark that a file may begin with. Raises UserError."""
    if b"\0" in line or line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"line {number} of standard input is not UTF-8 text, but perhaps UTF-16; convert it")
    try:
        return line.decode("utf-8").removeprefix("\ufeff").strip()
    except UnicodeDecodeError as error:
        raise UserError(f"line {number} of standard input is not UTF-8 at byte {error.start}; convert it") from error
