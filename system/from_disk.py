"""What files hold, with the types that it is to have: a value of another type gets one line, here and nowhere else.

    read_typed(path, dict[str, int])          names and whole numbers
    checked(values, Position, path)           a dataclass of the values that its fields name; other names do not matter

`dacite` compares the types. What is fetched in the place of a file, a page or a pointer, is called that.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import dacite

from system.atomic_files import kind_of, read_json
from system.errors import UserError

Number = int | float
Table = dict[str, Any]
LISTS = dacite.Config(cast=[tuple])  # JSON has no tuples
SHOWN = 40  # characters of a value that is of another type
MEND = "restore the file, or make it again"
WORDS = {
    dict: "names and values", list: "a list", tuple: "a list", str: "text", int: "a whole number", bool: "yes or no",
    float: "a number", type(None): "nothing",
}  # fmt: skip


def read_typed(path: Path, kind: Any, mend: str = MEND) -> Any:
    """The value in a JSON file, when it has this type. Raises UserError."""
    refuse_in_its_place(path)
    return checked(read_json(path), kind, path, mend)


def checked(value: Any, kind: Any, where: Path | str, mend: str = MEND) -> Any:
    """`value` as it was read, when it has this type; of a dataclass an instance. Raises UserError."""
    try:
        return dacite.from_dict(boxed(kind), {"value": value}, LISTS).value
    except (dacite.DaciteError, TypeError, ValueError, AttributeError) as error:
        name, found, wanted = first_wrong(value, kind)
        shown = ascii(found)
        shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
        fault = f"{name or 'it'} is {shown}, not {in_words(wanted)}"
        if isinstance(error, dacite.MissingValueError):
            missing = error.field_path.removeprefix("value.")
            fault = f"no {missing} there"
        raise UserError(f"{where}: {fault}; {mend}") from None


def fits(value: Any, kind: Any) -> bool:
    """Whether a value has this type."""
    try:
        dacite.from_dict(boxed(kind), {"value": value}, LISTS)
    except (dacite.DaciteError, TypeError, ValueError, AttributeError):
        return False
    return True


def first_wrong(value: Any, kind: Any, name: str = "") -> tuple[str, Any, Any]:
    """The innermost value in `value` that is of the wrong type: its name, itself, and the type that it is to have."""
    parts: list[tuple[Any, Any, Any]] = []  # name, value, type
    if is_dataclass(kind) and isinstance(value, dict):
        parts = [(key, value[key], hint) for key, hint in get_type_hints(kind).items() if key in value]
    elif get_origin(kind) is dict and isinstance(value, dict):
        parts = [(key, part, get_args(kind)[1]) for key, part in value.items()]
    elif get_origin(kind) is list and isinstance(value, list):
        parts = [(number, part, get_args(kind)[0]) for number, part in enumerate(value, start=1)]
    for key, part, wanted in parts:
        if not fits(part, wanted):
            return first_wrong(part, wanted, f"{name}.{key}".lstrip("."))
    return name, value, kind


@cache
def boxed(kind: Any) -> type:
    """A dataclass with one field of this type: dacite reads those alone."""
    return make_dataclass("Box", [("value", kind)])


def in_words(kind: Any) -> str:
    """A type for people."""
    if is_dataclass(kind):
        return f"names and values ({', '.join(one.name for one in fields(kind))})"
    if get_origin(kind) in (dict, list, tuple):
        return WORDS[get_origin(kind)]
    kinds = [part for part in get_args(kind) if not (part is int and float in get_args(kind))]
    return " or ".join(map(in_words, kinds)) if kinds else WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def in_its_place(content: bytes, is_json: bool = False) -> str:
    """What the beginning of a file shows to have been fetched in its place, in words, or ""."""
    head = content[:200].lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of git-lfs, not the file itself; run `git lfs pull` in its folder"
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not the file itself; fetch it again, and log in where the page asks for it"
    if not is_json and head.startswith((b"{", b"[")) and b"error" in head:
        return "a server's message of an error, not the file itself; fetch it again"
    return ""


def refuse_in_its_place(path: Path) -> None:
    """Refuse a file that something else was fetched in the place of. Raises UserError; a file not there is none."""
    if not path.is_file():
        if path.exists():  # a pipe: who opened it would wait for its writer
            raise UserError(f"{path} is {kind_of(path)}, not a file; move it away")
        return
    with open(path, "rb") as file:
        found = in_its_place(file.read(200), path.suffix == ".json")
    if found:
        raise UserError(f"{path} is {found}")
