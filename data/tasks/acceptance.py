"""Inputs and outputs of a task, and which tasks are thrown away because something simpler passes their tests too."""

from __future__ import annotations

from functools import cache
from itertools import product
from random import Random
from typing import Any

from data.tasks.composition import Task, TooLarge, proper_parts, run
from data.tasks.grammar import FORMS, Form
from data.tasks.values import CONSTANTS, draw_inputs, pick, pool

ORDINARY = 5  # ordinary inputs in the tests of a task, beside an edge and the empty one


def _key(value: Any) -> str:
    """Equal for values that `==` calls equal."""
    if isinstance(value, dict):
        return repr(sorted(value.items()))
    return repr(int(value)) if isinstance(value, bool) else repr(value)


@cache
def single_operations(kind: str) -> tuple[tuple[Form, tuple], ...]:
    """Every form of one operation over type `kind`, with every choice of its constants."""
    return tuple(
        (form, constants)
        for form in FORMS
        if form.takes == kind and len(form.ops) == 1
        for constants in product(*[CONSTANTS[k] for k in form.kinds])
    )


@cache
def _singles(kind: str, index: int) -> dict[str, int]:
    """Output on one input of the pool -> which single operations give it, as bits; bit 0 is the identity."""
    value = pool(kind)[index]
    masks = {_key(value): 1}
    for bit, (form, constants) in enumerate(single_operations(kind), 1):
        key = _key(form.run(value, *constants))
        masks[key] = masks.get(key, 0) | 1 << bit
    return masks


def _same(part: Task, values: list, parameters: list, outputs: list) -> bool:
    try:
        return all(run(part, v, p) == o for v, p, o in zip(values, parameters, outputs, strict=True))
    except TooLarge:
        return False


def _parameter_alone(task: Task, values: list, parameters: list, outputs: list) -> bool:
    """Whether one operation with the second argument as its constant gives the outputs."""

    def passes(form: Form, constants: tuple, slot: int) -> bool:
        """Whether `form` gives them with the argument in the place `slot` among its other constants."""
        before, after = constants[:slot], constants[slot:]
        cases = zip(values, parameters, outputs, strict=True)
        try:
            return all(form.run(value, *before, parameter, *after) == output for value, parameter, output in cases)
        except ZeroDivisionError:  # the parameter is of another kind than the operation's constant
            return False

    return any(
        passes(form, constants, slot)
        for form in FORMS
        if form.takes == task.argument and len(form.ops) == 1
        for slot, kind in enumerate(form.kinds)
        if isinstance(CONSTANTS[kind][0], str) == isinstance(parameters[0], str)
        for constants in product(*[CONSTANTS[k] for k in (*form.kinds[:slot], *form.kinds[slot + 1 :])])
    )


def _too_easy(task: Task, inputs: list[int], values: list, parameters: list, outputs: list) -> bool:
    if all(output == outputs[0] for output in outputs):
        return True
    several = len(task.ops) > 1
    mask = -1 if several else 1  # a single operation need only differ from the identity
    for index, output in zip(inputs, outputs, strict=True):
        mask &= _singles(task.argument, index).get(_key(output), 0)
        if not mask:
            break
    if mask:
        return True
    if several and task.parameter and _parameter_alone(task, values, parameters, outputs):
        return True
    return several and any(_same(part, values, parameters, outputs) for part in proper_parts(task))


def make_cases(task: Task, random: Random) -> list[tuple[tuple, Any]] | None:
    """Arguments and results for the tests of `task`, the empty and an edge input last; None throws the task away."""
    inputs = draw_inputs(task.argument, ORDINARY, random)
    values_of = pool(task.argument)
    values = [values_of[index] for index in inputs]
    choices = CONSTANTS[task.parameter] if task.parameter else (None,)
    parameters = [pick(random, choices) for _ in inputs]
    try:
        outputs = [run(task, v, p) for v, p in zip(values, parameters, strict=True)]
    except TooLarge:
        return None
    if _too_easy(task, inputs, values, parameters, outputs):
        return None
    arguments = [(v, p) if task.parameter else (v,) for v, p in zip(values, parameters, strict=True)]
    return list(zip(arguments, outputs, strict=True))


def as_tests(cases: list[tuple[tuple, Any]], function: str) -> tuple[str, ...]:
    """The cases as statements that raise when the program is wrong."""
    return tuple(f"assert {function}({', '.join(map(repr, arguments))}) == {output!r}" for arguments, output in cases)
