"""Settings from the command line by tyro, with every mistake reported in one line."""

from __future__ import annotations

import contextlib
import difflib
import errno
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any, TypeVar

import tyro

from system.bounds import check_bounds
from system.errors import UserError
from system.platform import print_plainly
from system.terminal import error_line, leave_closed_pipe, open_closed_streams

Settings = TypeVar("Settings")
PLAINER = {  # of what tyro and Python say of a value
    r"^Options: ": "",  # a class, where the options have one group
    r"^(\w+): (?=\1\.)": "",  # a group that the message names once more
    r"invalid literal for int\(\) with base 10: ('.*')": r"\1 is no whole number",
    r"could not convert string to float: ('.*')": r"\1 is no number",
}


def parse(
    kind: type[Settings], argv: list[str], default: Settings | None, description: str, prog: str = ""
) -> Settings:
    """Parse settings from the command line over `default` (None: the class's own defaults).

    Raises UserError, one line, for an option that does not exist and a value that cannot be, be it NaN or a number
    beyond 64 bits. --help leaves.
    """
    boxed = io.StringIO()  # tyro draws its complaints as a box of many lines
    try:
        with contextlib.redirect_stderr(boxed):
            settings, unknown = tyro.cli(
                kind, args=argv, default=tyro.MISSING_NONPROP if default is None else default, prog=prog or None,
                description=description, use_underscores=True, return_unknown_args=True,
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise UserError(unboxed(boxed.getvalue())) from None
    if unknown:
        raise UserError(f"{unknown[0]} is not an option{suggestion(unknown[0], default)}; --help lists them all")
    if is_dataclass(settings):
        try:
            check_bounds(settings)  # for classes that do not check themselves
        except ValueError as error:
            raise UserError(str(error)) from error
    return settings


def given_names(argv: Sequence[str]) -> set[str]:
    """The names of the options that a command line gives."""
    return {argument.partition("=")[0].lstrip("-").replace("-", "_") for argument in argv if argument[:2] == "--"}


def value_of(argv: list[str], option: str) -> str:
    """The value given for `option` as "--option value" or "--option=value", or ""."""
    for index, argument in enumerate(argv):
        if argument == option and index + 1 < len(argv):
            return argv[index + 1]
        if argument.startswith(option + "="):
            return argument.partition("=")[2]
    return ""


def unboxed(text: str) -> str:
    """The first paragraph under the title of one of tyro's boxes, whose corners differ where there is no UTF-8."""
    words = []
    for line in text.strip().splitlines()[1:]:
        inside = line.strip().strip("│|").strip()
        if inside.strip("─-+╰╯"):
            words.append(inside)
        elif words:
            break
    said = " ".join(words).removeprefix("Error parsing ").removesuffix(".").removeprefix("__tyro_dummy_inner__.")
    for pattern, plain in PLAINER.items():
        said = re.sub(pattern, plain, said)
    return f"{said}; --help lists the options"


def suggestion(option: str, settings: Any) -> str:
    """' (did you mean --data.path?)', or nothing when no option is near."""
    known = [f"--{spelled(name)}" for name in dotted_names(settings)] if settings is not None else []
    near = difflib.get_close_matches(option.partition("=")[0].replace("-", "_").replace("__", "--", 1), known, 1, 0.75)
    return f" (did you mean {near[0]}?)" if near else ""


def dotted_names(settings: Any, prefix: str = "") -> list[str]:
    """The names of all fields of nested dataclasses, such as "data.path"."""
    names = []
    for name in settings.__dataclass_fields__:
        value = getattr(settings, name)
        inner = hasattr(value, "__dataclass_fields__")
        names += dotted_names(value, f"{prefix}{name}.") if inner else [prefix + name]
    return names


def spelled(name: str) -> str:
    """A field's name as users write it: without the underscore behind a name that is a keyword of Python."""
    return name.removesuffix("_")


def run_and_report(main: Any, argv: list[str]) -> int:
    """Call main(argv); a UserError becomes one line on stderr and exit status 2.

    Beside bad input these are the operating system's own: a full disk, no permission, no memory.
    """
    open_closed_streams()
    print_plainly(sys.stdout, sys.stderr)
    try:
        status = main(argv)
        sys.stdout.flush()  # here, where a pipe that was closed meanwhile is nothing to be told of
        return status
    except BrokenPipeError:
        return leave_closed_pipe()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except Exception as error:
        line = as_line(error)
        if line is None:
            raise
    with contextlib.suppress(OSError):  # a full disk may be that of standard error too
        print("error:", error_line(line), file=sys.stderr)
    return 2


def as_line(error: Exception) -> str | None:
    """The line that says to a user what has happened; None for an error that only a programmer can mend."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC and not error.filename:
            return "No space left on device: standard output or a file cannot be written; free some space"
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    of_torch = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and of_torch):
        return "not enough memory; choose a smaller network or smaller batches"
    return None
