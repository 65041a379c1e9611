"""Generated tasks: description, program and tests, drawn by seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from data.example import Example
from data.tasks.acceptance import as_tests, make_cases
from data.tasks.composition import Task, draw_task
from data.tasks.grammar import grammar
from data.tasks.names import ARGUMENTS, DEFAULT_FUNCTION, FUNCTION_NAMES, PARAMETERS
from data.tasks.phrasing import Wording, describe
from data.tasks.program import normalised, render
from data.tasks.splits import has_held_pair, has_neighbouring_held_pair, on_test_side, stable_hash
from data.tasks.values import CONSTANTS, pick

_AS_TRAINING = 10 * (1,) + 12 * (2,) + 4 * (3,)  # fewer tasks of one operation are different, so more are drawn
PROGRAM_SIZES = {  # split -> numbers of operations, drawn evenly from the tuple
    "train": _AS_TRAINING,
    "in_distribution": _AS_TRAINING,
    "rephrased": _AS_TRAINING,
    "compositional": (2, 2, 3),
    "longer": 7 * (4,) + 2 * (5,) + (6,),
}
ATTEMPTS = 40  # draws for one number of operations before another number is drawn
NAMED = 0.25  # share of the descriptions that name the function
NAMINGS = 30  # names tried for one task
WORDINGS = 30  # descriptions tried for one program
BY_HASH = ("train", "in_distribution", "rephrased")  # splits that a hash of program and description keeps apart


class Draft(NamedTuple):
    """A task with its names: all that an Example needs but its id."""

    task: Task
    text: str
    code: str
    cases: list[tuple[tuple, Any]]
    function: str


def _fits(split: str, task: Task, n_operations: int) -> bool:
    if split == "compositional":
        return has_neighbouring_held_pair(task.ops, n_operations)
    if split == "longer":
        return len(task.ops) in PROGRAM_SIZES["longer"] and not has_held_pair(task.ops, n_operations)
    return len(task.ops) <= 3 and not has_held_pair(task.ops, n_operations)


def _right_side(split: str, text: str) -> bool:
    """Whether a program or a description may stand in `split` without standing on both sides."""
    return split not in BY_HASH or on_test_side(text) == (split != "train")


def _draw_names(task: Task, random: Random) -> tuple[str, str, str]:
    """Function name (empty: the default), argument and parameter."""
    function = pick(random, FUNCTION_NAMES) if random.random() < NAMED else ""
    argument = pick(random, ARGUMENTS[task.argument])
    parameter = ""
    if task.parameter:
        kind = "text" if isinstance(CONSTANTS[task.parameter][0], str) else "int"
        parameter = pick(random, PARAMETERS[kind])
    return function, argument, parameter


def _word(split: str, task: Task, names: tuple[str, str, str], focus: str, random: Random) -> str | None:
    """A description on the right side; None where none was found."""
    function, argument, parameter = names
    for _ in range(WORDINGS):
        wording = Wording(task, argument, parameter, random, focus if split == "rephrased" else "")
        text = describe(wording, function)
        if split == "rephrased" and not wording.used_held:
            continue
        if _right_side(split, text):
            return text
    return None


def _attempt(split: str, focus: str, size: int, random: Random, n_operations: int) -> Draft | None:
    task = draw_task(grammar(n_operations), focus, size, random)
    if task is None or not _fits(split, task, n_operations):
        return None
    cases = make_cases(task, random)
    if not cases:
        return None
    for _ in range(NAMINGS):
        names = _draw_names(task, random)
        code = render(task, names[0] or DEFAULT_FUNCTION, *names[1:])
        if _right_side(split, code):
            text = _word(split, task, names, focus, random)
            return Draft(task, text, code, cases, names[0] or DEFAULT_FUNCTION) if text else None
    return None


def _find(split: str, focus: str, seen: set[int], random: Random, n_operations: int) -> Draft:
    """A task around the operation `focus` that was not seen before; it is seen then."""
    while True:
        size = pick(random, PROGRAM_SIZES[split])  # drawn again where this operation seldom fits a task of that size
        for _ in range(ATTEMPTS):
            draft = _attempt(split, focus, size, random, n_operations)
            key = draft and stable_hash(f"{draft.text}\n{draft.code}")
            if draft and key not in seen:
                seen.add(key)
                return draft


def generate(split: str, count: int, seed: int, n_operations: int = 0) -> Iterator[Example]:
    """`count` distinct tasks of `split` over the first `n_operations` (0: all).

    Operations take turns as the one that a task is built around.
    """
    names = grammar(n_operations).operations
    random = Random(f"{seed} {split}")
    seen: set[int] = set()
    for index in range(count):
        draft = _find(split, names[index % len(names)], seen, random, n_operations)
        meta = {"ops": draft.task.ops, "normalised": normalised(draft.task)}
        tests = as_tests(draft.cases, draft.function)
        yield Example(f"generated-{split}-{index}", draft.text, draft.code, tests=tests, meta=meta)
