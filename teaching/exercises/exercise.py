"""An exercise as the grader knows it: data, the truth, and the known mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """The arguments of one call."""

    about: str  # what this case has that another may lack, for the table
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Mistake:
    """A known mistake: a wrong answer with a name."""

    name: str  # completes "this is what .. gives"
    functions: tuple[Function, ...]  # give what the mistake gives, each way to write it; arguments as the truth's
    check: str  # a property of the right answer that this one breaks, which a student can print


@dataclass(frozen=True)
class Exercise:
    """One exercise. The function that a student writes has the exercise's name."""

    name: str
    outputs: tuple[str, ...]  # names of what the function returns, in order
    cases: Callable[[np.random.Generator], list[Case]]
    truth: Function  # takes a case's arguments; gives one value, or a tuple of as many as `outputs`
    mistakes: tuple[Mistake, ...]


def mistakes_of(function: Function, rows: list[tuple[str, str, str]]) -> tuple[Mistake, ...]:
    """Mistakes that are slips in one function: rows of slip, name and check; the function takes `slip`.

    Slips with one name are several ways to write the same mistake.
    """
    names = list(dict.fromkeys(name for _, name, _ in rows))
    return tuple(
        Mistake(
            name, tuple(partial(function, slip=slip) for slip, other, _ in rows if other == name),
            next(check for _, other, check in rows if other == name),
        )
        for name in names
    )  # fmt: skip
