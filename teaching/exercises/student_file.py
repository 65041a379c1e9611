"""From a student's file to a verdict; every error on the way is reported in one line that names the file's line."""

from __future__ import annotations

import ast
import signal
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from teaching.exercises.exercise import Exercise, Function
from teaching.exercises.grading import CannotBeGraded, Verdict, grade

LONGEST_MESSAGE = 160  # characters of an exception's text


class TimeIsUp(BaseException):
    """Raised inside of a student's code; not an Exception, so that `except Exception` does not catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in whatever runs after `seconds`, and again every second: a bare `except` may swallow one."""

    def stop(number: int, frame: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def blanks(tree: ast.Module) -> list[int]:
    """The lines on which `...` stands in place of a value."""
    holders = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, holders) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis
    ]


def line_in(path: Path, error: BaseException) -> str:
    """'line 12: ', the last line of the student's own that an error passed through, or ''."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}: " if lines else ""


def message(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 2] + ".."
    return type(error).__name__ + (f": {text}" if text else "")


def read_module(path: Path, exercise: Exercise) -> tuple[types.ModuleType, Function]:
    """Run a student's file and find the function in it. Raises CannotBeGraded, and whatever the file raises."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, filename=str(path))
    except UnicodeDecodeError:
        raise CannotBeGraded("the file is not UTF-8 text; save it as UTF-8") from None
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise CannotBeGraded(f"{place}{type(error).__name__}: {error.msg}") from None

    left = blanks(tree)
    if left:
        places = f"line{'s' * (len(left) > 1)} {', '.join(map(str, left))}"
        raise NotImplementedError(f"a blank (...) is left on {places}; put the missing value there")

    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(tree, str(path), "exec"), module.__dict__)
    function = getattr(module, exercise.name, None)
    if not callable(function):
        raise CannotBeGraded(f"there is no function called {exercise.name}; keep the name that the stub has")
    return module, function


def grade_file(exercise: Exercise, path: Path, seconds: float = 10.0) -> Verdict:
    """The verdict on a file. Its code runs in this process: `worker.py` is the process for it."""
    module = None
    try:
        with time_limit(seconds), np.errstate(all="ignore"):
            module, function = read_module(path, exercise)
            verdict = grade(exercise, function)
    except CannotBeGraded as problem:
        verdict = broken(exercise, str(problem))
    except NotImplementedError as error:
        text = line_in(path, error) + (str(error) or "nothing is written here yet")
        verdict = Verdict("unfinished", f"{exercise.name}: not finished, {text}")
    except TimeIsUp as error:
        verdict = broken(exercise, f"{line_in(path, error)}still running after {seconds:g} s; does a loop never end?")
    except SystemExit as error:
        verdict = broken(exercise, f"{line_in(path, error)}the code ends its process (SystemExit); take that out")
    except Exception as error:
        verdict = broken(exercise, line_in(path, error) + message(error))

    prediction = getattr(module, "PREDICTION", "")
    verdict.prediction = prediction.strip() if isinstance(prediction, str) else ""
    return verdict


def broken(exercise: Exercise, problem: str) -> Verdict:
    """The verdict on code that gave no answer."""
    return Verdict("broken", f"{exercise.name}: cannot be graded, {problem}")
