"""Grading: an answer is compared with the truth and with the known mistakes.

An answer is right when its form is (type, shape, kind of numbers), every number is within rounding of the truth in
every case, and the arguments are as they were. A wrong output that equals a known mistake's in every case is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy import ndarray

from teaching.exercises.exercise import Case, Exercise, Function, Mistake

SEED = 20
ABSOLUTE, RELATIVE = 1e-9, 1e-7  # limits of rounding in float64, for sums of hundreds of terms
ARRAY, SCALAR = ndarray, int | float | np.number | np.bool_
DTYPE_NAMES = {"b": "bool", "i": "integers", "u": "integers", "f": "float64"}

Parts = list[tuple[Any, ...]]  # one tuple of outputs for each case


@dataclass
class Verdict:
    """The verdict on an answer; `line` is the result, the rest explains it."""

    status: str  # passed, wrong (it ran), broken (it did not), unfinished (a blank is left)
    line: str
    table: list[list[str]] = field(default_factory=list)  # a row for each case, after a row of headings
    details: list[str] = field(default_factory=list)
    mistakes: list[list[str]] = field(default_factory=list)  # name and check
    prediction: str = ""  # what the student wrote before the code


class CannotBeGraded(Exception):
    """Raised when a call returns nothing that can be compared; the text is the verdict."""


@cache
def cases_of(exercise: Exercise) -> list[Case]:
    """The graded data, the same in every run. Functions get copies of these arrays."""
    return exercise.cases(np.random.default_rng(SEED))


def copied(value: Any) -> Any:
    """A copy of a value's arrays, also of those inside lists, tuples and dictionaries; anything else stays as it is."""
    if isinstance(value, ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return type(value)(copied(part) for part in value)
    return {key: copied(part) for key, part in value.items()} if isinstance(value, dict) else value


def same_inside(one: Any, other: Any) -> bool:
    """Whether two values that were copies of each other still are."""
    if isinstance(one, ndarray):
        return isinstance(other, ndarray) and np.array_equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_inside, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_inside(one[key], other[key]) for key in one)
    return one is other or one == other


def parts_of(answer: Any, exercise: Exercise) -> tuple[Any, ...]:
    """The outputs as a tuple. Raises CannotBeGraded when there are not as many as there should be."""
    if answer is None:
        raise CannotBeGraded("nothing came back (None); is a `return` missing?")
    if len(exercise.outputs) == 1:
        return (answer,)
    if not isinstance(answer, list | tuple) or len(answer) != len(exercise.outputs):
        came = f"{len(answer)} values" if isinstance(answer, list | tuple) else f"one {type(answer).__name__}"
        raise CannotBeGraded(f"{came} came back; return {', '.join(exercise.outputs)}, in this order")
    for name, part in zip(exercise.outputs, answer):
        if part is None:
            raise CannotBeGraded(f"{name} is None")
    return tuple(answer)


def answer_of(exercise: Exercise, returned: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[Any, ...]:
    """The outputs in one case, with the arguments before and after the call. Raises CannotBeGraded.

    Raises ValueError where there are not as many arguments after as before.
    """
    answer = parts_of(returned, exercise)
    if not same_inside(before, after):
        place = next(i for i, (a, b) in enumerate(zip(before, after, strict=True), 1) if not same_inside(a, b))
        raise CannotBeGraded(f"argument {place} was changed in place; work on a copy, the caller still needs it")
    return answer


def answers_of(exercise: Exercise, function: Function) -> Parts:
    """A function's outputs in every case. Raises CannotBeGraded, and whatever the function raises."""
    answers = []
    for case in cases_of(exercise):
        arguments = copied(case.arguments)
        answers.append(answer_of(exercise, function(*arguments), case.arguments, arguments))
    return answers


@cache
def known_answers(exercise: Exercise) -> tuple[Parts, list[tuple[Mistake, Parts]]]:
    """The truth, and what each known mistake gives, in every way to write it."""
    with np.errstate(all="ignore"):
        mistaken = [
            (mistake, answers_of(exercise, function))
            for mistake in exercise.mistakes for function in mistake.functions
        ]
    return answers_of(exercise, exercise.truth), mistaken


def form_problem(value: Any, truth: Any) -> str:
    """The fault in the type, shape or kind of an output in words, or ""."""
    wanted = np.asarray(truth)
    what = f"an array of shape {wanted.shape}" if wanted.ndim else "a number"
    if type(value).__module__.partition(".")[0] == "torch":
        return f"is a torch tensor; {what} of NumPy is expected"
    scalar = isinstance(value, SCALAR)
    if not isinstance(value, ARRAY) and not (scalar and not wanted.ndim):
        return f"is a {type(value).__name__}; {what} is expected"
    value = np.asarray(value)
    if value.shape != wanted.shape:
        return f"has shape {value.shape}; {wanted.shape} is expected"
    kinds = {value.dtype.kind, wanted.dtype.kind} - ({"u"} if wanted.dtype.kind == "i" else set())
    too_short = wanted.dtype.kind == "f" and value.dtype.itemsize < 8
    if len(kinds) > 1 and not (scalar and value.dtype.kind == "i") or too_short:
        return f"holds {value.dtype}; {DTYPE_NAMES[wanted.dtype.kind]} is expected"
    return ""


def differences(value: Any, truth: Any) -> ndarray:
    """The absolute differences in the truth's shape: 0 within rounding, infinite where a number is NaN or infinite."""
    value, truth = np.asarray(value, dtype=float), np.asarray(truth, dtype=float)
    with np.errstate(invalid="ignore"):
        found = np.abs(value - truth)
    found = np.where(np.isfinite(value), found, np.inf)
    return np.where(found <= ABSOLUTE + RELATIVE * np.abs(truth), 0.0, found)


def agree(value: Any, other: Any) -> bool:
    """Whether an output is what a known mistake gives, to rounding; there NaN equals NaN."""
    if not isinstance(value, ARRAY | SCALAR):
        return False
    value, other = np.asarray(value), np.asarray(other)
    if value.shape != other.shape or value.dtype.kind not in DTYPE_NAMES:
        return False
    return np.allclose(value.astype(float), other.astype(float), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


def largest(value: Any, truth: Any) -> float:
    """The largest difference; infinite for an output whose form is wrong."""
    return float("inf") if form_problem(value, truth) else float(differences(value, truth).max(initial=0.0))


def named_mistakes(exercise: Exercise, answers: Parts, wrong: list[int]) -> list[list[str]]:
    """Name and check of the known mistake that gives the whole answer, or else of one for each wrong output."""
    _, mistaken = known_answers(exercise)

    def explains(theirs: Parts, outputs: Iterable[int]) -> bool:
        return all(agree(mine[i], other[i]) for mine, other in zip(answers, theirs) for i in outputs)

    everything = range(len(exercise.outputs))
    for outputs in ([everything], [[output] for output in wrong]):
        found = [next((mistake for mistake, theirs in mistaken if explains(theirs, part)), None) for part in outputs]
        names = [[mistake.name, mistake.check] for mistake in dict.fromkeys(found) if mistake is not None]
        if names:
            return names
    return []


def grade(exercise: Exercise, function: Function) -> Verdict:
    """The verdict on a function. Raises CannotBeGraded, and whatever the function raises."""
    return graded(exercise, answers_of(exercise, function))


def graded(exercise: Exercise, answers: Parts) -> Verdict:
    """The verdict on the outputs in every case."""
    cases = cases_of(exercise)
    truths, _ = known_answers(exercise)
    sizes = [[largest(*pair) for pair in zip(mine, right)] for mine, right in zip(answers, truths)]  # case by output
    table = [["case", "", *exercise.outputs]]
    table += [
        [str(number), case.about, *(cell(*parts) for parts in zip(row, mine, right))]
        for number, (case, row, mine, right) in enumerate(zip(cases, sizes, answers, truths), 1)
    ]
    wrong = [output for output in range(len(exercise.outputs)) if any(row[output] for row in sizes)]
    if not wrong:
        return Verdict("passed", f"{exercise.name}: passed, equal to rounding in {len(cases)} cases", table)
    mistakes = named_mistakes(exercise, answers, wrong)
    number, output = (int(i) for i in np.argwhere(sizes)[0])
    what, details = first_difference(
        exercise.outputs[output], answers[number][output], truths[number][output], np.max(sizes), f"case {number + 1}"
    )
    names = "".join(f": {name}" if i == 0 else f", and {name}" for i, (name, _) in enumerate(mistakes))
    return Verdict("wrong", f"{exercise.name}: wrong, {what}{names}", table, details, mistakes)


def first_difference(name: str, value: Any, truth: Any, most: float, case: str) -> tuple[str, list[str]]:
    """The words for the verdict, and the two numbers at the first wrong place."""
    problem = form_problem(value, truth)
    if problem:
        return f"{name} {problem} ({case})", []
    found = differences(value, truth)
    index = tuple(int(i) for i in np.argwhere(found)[0])
    place = name + (f"[{', '.join(map(str, index))}]" if index else "")
    expected, yours = np.asarray(truth)[index], np.asarray(value)[index]
    numbers = f"at {place} of {case}: expected {number_in_words(expected)}, yours {number_in_words(yours)}"
    first = f"first wrong index {place}" if index else f"wrong number {place}"
    return f"largest difference {difference_in_words(most)}, {first} in {case}", [numbers]


def cell(size: float, value: Any, truth: Any) -> str:
    """A cell of the table: one output of one case."""
    if form_problem(value, truth):
        return "wrong shape" if isinstance(value, ARRAY) and value.shape != np.shape(truth) else "wrong type"
    return difference_in_words(size) if size else "ok"


def difference_in_words(size: float) -> str:
    """A difference in words."""
    return f"{size:.3g}" if np.isfinite(size) else "not finite"


def number_in_words(number: Any) -> str:
    """A number of an array."""
    return f"{float(number):.6g}" if np.asarray(number).dtype.kind == "f" else str(number)
