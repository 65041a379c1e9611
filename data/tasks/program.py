"""A task as Python: one step a line, the same layout everywhere."""

from __future__ import annotations

from data.tasks.composition import PARAMETER, Step, Task

FOUR_SPACES = "    "


def _expression(step: Step, variable: str, parameter: str, normalise: bool) -> str:
    constants = []
    for constant in step.constants:
        if constant is PARAMETER:
            constants.append(parameter)
        elif normalise:
            constants.append("S" if isinstance(constant, str) else "K")
        else:
            constants.append(repr(constant))
    return step.form.code.format(*constants, v=variable)


def _lines(pipeline: tuple[Step, ...], argument: str, parameter: str, last: str, normalise: bool) -> list[str]:
    """Statements of a pipeline; the last one starts with `last` ("return " or "a = ").

    The first step reads the argument, every later one `result` (in a pair a or b).
    """
    lines, variable = [], argument
    name = "result" if last == "return " else last[0]
    for step in pipeline[:-1]:
        lines.append(f"{name} = {_expression(step, variable, parameter, normalise)}")
        variable = name
    return [*lines, last + _expression(pipeline[-1], variable, parameter, normalise)]


def render(task: Task, function: str, argument: str, parameter: str, normalise: bool = False) -> str:
    """The program's text. With `normalise` constants become K (numbers) or S (strings)."""

    def lines(index: int, last: str) -> list[str]:
        return _lines(task.pipelines[index], argument, parameter, last, normalise)

    if task.test:
        condition = _expression(task.test, argument, parameter, normalise)
        body = [f"if {condition}:", *[FOUR_SPACES + line for line in lines(0, "return ")], *lines(1, "return ")]
    elif task.combiner:
        body = [*lines(0, "a = "), *lines(1, "b = "), f"return {task.combiner.code}"]
    else:
        body = lines(0, "return ")
    signature = f"{argument}, {parameter}" if task.parameter else argument
    return "\n".join([f"def {function}({signature}):", *[FOUR_SPACES + line for line in body]])


def normalised(task: Task) -> str:
    """The program with names and constants taken out, the argument called by its type.

    Equal for tasks that differ in nothing else, and for no others: given its type, a line's code tells its form.
    """
    return render(task, "f", task.argument, "k", normalise=True)
