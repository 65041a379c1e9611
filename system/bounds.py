"""The bounds of a setting, written beside its field: they are checked, and `--help` prints them.

    rate: Annotated[float, bounds(above=0)] = 0.01  # ...

--help says "(above 0; default: 0.01)" behind the comment. A class that calls `check_bounds` when it is made refuses
other values, and what its field's type is not: a word that is none of a Literal's, 2.5 layers, NaN, a text for a tuple.
So a setting means the same from Python, from a file and on the command line.
"""

from __future__ import annotations

import difflib
import math
import sys
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro


@dataclass(frozen=True)
class Bounds:
    """The bounds of a number, which must be finite in any case."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    words: str = ""  # for people; empty: made of the ends

    def __str__(self) -> str:
        ends = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return self.words or " and ".join(f"{word} {end:g}" for word, end in ends.items() if end is not None)

    def __call__(self, default: str) -> str:
        """The text that --help shows behind the comment of a field."""
        return f"({self}; default: {default})"

    def holds(self, value: float) -> bool:
        """Whether a value lies inside the bounds."""
        return (
            abs(value) < math.inf
            and (self.least is None or self.least <= value)
            and (self.above is None or self.above < value)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )


def bounds(
    *, least: float | None = None, above: float | None = None, most: float | None = None, below: float | None = None,
    words: str = "",
) -> Any:
    """The bounds of a setting, for `Annotated` beside its type."""
    return tyro.conf.arg(help_behavior_hint=Bounds(least, above, most, below, words))


Count = Annotated[int, bounds(least=0)]
FromOne = Annotated[int, bounds(least=1)]
NotNegative = Annotated[float, bounds(least=0)]
Positive = Annotated[float, bounds(above=0)]
Share = Annotated[float, bounds(least=0, most=1, words="a share from 0 to 1")]
BelowOne = Annotated[float, bounds(least=0, below=1)]


Threads = Annotated[int, bounds(least=0, most=1024)]  # or processes
Seed = Annotated[int, bounds(least=0, most=2**64 - 1, words="a whole number from 0 to 2^64 - 1")]  # of 64 bits


PLAIN = {int: "a whole number of at most 64 bits", float: "a finite number", bool: "True or False", str: "a text"}
LONGEST = 60  # letters of a refused value that are shown


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The types of a settings class by field, with their bounds."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__dataclass_fields__}


@cache
def bounds_of(kind: type) -> dict[str, Bounds]:
    """The bounds of a settings class by field, for the fields that have some."""
    found = {name: bounds_in(hint) for name, hint in hints_of(kind).items()}
    return {name: allowed for name, allowed in found.items() if allowed is not None}


def bounds_in(hint: Any) -> Bounds | None:
    """The bounds that stand beside a type, if any."""
    marks = [getattr(mark, "help_behavior_hint", None) for mark in getattr(hint, "__metadata__", ())]
    return next((mark for mark in marks if isinstance(mark, Bounds)), None)


def check_bounds(settings: Any, room: str = "") -> None:
    """Refuse settings with a value that its field's type is not, or outside its bounds. `room`: prefix of the names.

    Raises ValueError.
    """
    for name, hint in hints_of(type(settings)).items():
        if problem := problem_with(f"{room}{'.' if room else ''}{name}", getattr(settings, name), hint):
            raise ValueError(problem)


def problem_with(name: str, value: Any, hint: Any) -> str:
    """What is wrong with a setting of this name and type, in one line that says the mend; nothing where it is right."""
    wanted = expected(value, hint)
    shown = repr(value) if isinstance(value, str) else str(value)
    return wanted and f"{name}={shown[:LONGEST]} must be {wanted}"


def expected(value: Any, hint: Any) -> str:
    """What a value of the type `hint` must be, in words, where this one is not; else nothing."""
    if (allowed := bounds_in(hint)) is not None and is_number(value, Real) and not allowed.holds(value):
        return str(allowed)
    if get_origin(hint) is Annotated:
        return expected(value, get_args(hint)[0])
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return "" if value in parts else one_of(value, parts)
    if get_origin(hint) in (Union, UnionType):
        wanted = [expected(value, part) for part in parts if part is not type(None)]
        return "" if value is None and type(None) in parts or "" in wanted else " or ".join(wanted)
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple | list):
            return "a list"
        wanted = next(filter(None, (expected(part, parts[0]) for part in value)), "")
        return wanted and f"a list whose parts are each {wanted}"
    if hint is int:
        return "" if is_number(value, Integral) and -(2**63) <= value < 2**64 else PLAIN[int]
    if hint is float:
        return "" if is_number(value, Real) and is_finite(value) else PLAIN[float]
    if hint in (bool, str):
        return "" if isinstance(value, hint) else PLAIN[hint]
    is_class = isinstance(hint, type) and hint is not Any
    return f"of the class {hint.__name__}" if is_class and not isinstance(value, hint) else ""


def is_number(value: Any, kind: type) -> bool:
    """Whether a value is a number of this kind. Truth values are none, though Python counts with them."""
    return isinstance(value, kind) and not isinstance(value, bool)


def is_finite(value: Real) -> bool:
    """Whether a number is one that a float can hold."""
    return abs(value) <= sys.float_info.max if isinstance(value, Integral) else math.isfinite(value)


def one_of(value: Any, choices: tuple[str, ...]) -> str:
    """The choices in words, with the one that was perhaps meant."""
    near = difflib.get_close_matches(str(value), choices, 1, 0.6)
    return f"one of {', '.join(map(str, choices))}" + (f"; did you mean {near[0]}?" if near else "")
