"""The bounds of a setting, written beside its field: they are checked, and `--help` prints them.

    rate: Annotated[float, bounds(above=0)] = 0.01  # ...

--help says "(above 0; default: 0.01)" behind the comment, and a class that calls `check_bounds` when it is made refuses
other values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_type_hints

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
            math.isfinite(value)
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


@cache
def bounds_of(kind: type) -> dict[str, Bounds]:
    """The bounds of a settings class by field, for the fields that have some."""
    marks = {
        name: [getattr(mark, "help_behavior_hint", None) for mark in getattr(hint, "__metadata__", ())]
        for name, hint in get_type_hints(kind, include_extras=True).items()
    }
    return {name: mark for name, found in marks.items() for mark in found if isinstance(mark, Bounds)}


def check_bounds(settings: Any, room: str = "") -> None:
    """Refuse settings with a number outside its bounds. `room`: the prefix of the fields' names.

    Raises ValueError.
    """
    for name, allowed in bounds_of(type(settings)).items():
        if not allowed.holds(getattr(settings, name)):
            raise ValueError(f"{room}{'.' if room else ''}{name}={getattr(settings, name)} must be {allowed}")
