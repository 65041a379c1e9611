"""The program that runs a student's file on the graded data and knows nothing of the right answers.

    python student_file.py      a job on standard input, a line of JSON; on standard output what the function returned

Not run by hand: own_process.py starts it. It imports NumPy and the standard library alone, and the project cannot be
imported in it. Functions among the arguments stay with the grader: a call is a line to it, answered by a line.
"""

from __future__ import annotations

import ast
import base64
import builtins
import json
import os
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

LONGEST_MESSAGE = 160  # characters of an exception's text
MOST_BYTES = 10 * 2**20  # of an array that is sent; no right answer is so large
MOST_PARTS = 1000  # of a list that is sent, and
DEEPEST = 10  # the lists inside of lists
NUMBERS = "biufc"  # kinds of arrays whose bytes are sent

Message = dict[str, Any]
Call = Callable[[int, list, dict], Any]  # number of a function, arguments


class Problem(Exception):
    """Raised when a file gives no answers; the text is what the student is told."""


class Given:
    """A function or object that stays with the grader."""

    def __init__(self, number: int, fields: dict[str, Any], call: Call) -> None:
        self.__dict__.update(fields)
        self._number, self._call = number, call

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Have the grader call it."""
        return self._call(self._number, list(arguments), named)


def opaque(value: Any) -> Message:
    """What is sent of a value that is no answer: the name of its type."""
    if isinstance(value, Given):
        return {"given": value._number}
    return {"type": [type(value).__module__, type(value).__name__]}


def encode(value: Any, other: Callable[[Any], Message] = opaque, depth: int = 0) -> Any:
    """A value as JSON; `other` makes what is neither a number, an array nor a collection of these."""
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        data = None
        if array.dtype.kind in NUMBERS and array.nbytes <= MOST_BYTES:
            data = base64.b64encode(array.tobytes()).decode("ascii")
        return {"array" if isinstance(value, np.ndarray) else "number": [array.dtype.str, list(array.shape), data]}
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, list | tuple) and len(value) <= MOST_PARTS and depth < DEEPEST:
        return {"tuple" if isinstance(value, tuple) else "list": [encode(part, other, depth + 1) for part in value]}
    if type(value) is dict and len(value) <= MOST_PARTS and all(isinstance(key, str) for key in value):
        return {"dict": {key: encode(part, other, depth + 1) for key, part in value.items()}}
    return other(value)


def decode(value: Any, given: Callable[[int, dict], Any]) -> Any:
    """What `encode` was given; a value that was not sent is one of its type. Raises ValueError, TypeError."""
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items() if "given" not in value else [("given", value["given"])]
    if kind in ("array", "number"):
        dtype, shape, data = content
        if np.dtype(dtype).itemsize > MOST_BYTES:  # a letter more, and its number would take memory without end
            raise ValueError("no number is so wide")
        if data is None:  # without its numbers, and without memory for them
            array = np.broadcast_to(np.zeros((), np.dtype(dtype)), shape)
        else:
            array = np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape).copy()
        return array if kind == "array" else array[()]
    if kind in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[kind](decode(part, given) for part in content)
    if kind == "dict":
        return {key: decode(part, given) for key, part in content.items()}
    if kind == "given":
        return given(content, {name: decode(part, given) for name, part in value.get("fields", {}).items()})
    module, name = content
    return type(str(name), (), {"__module__": str(module)})()


def blanks(tree: ast.Module) -> list[int]:
    """The lines on which `...` stands in place of a value."""
    holders = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, holders) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis
    ]


def line_in(path: str, error: BaseException) -> str:
    """'line 12: ', the last line of the student's own that an error passed through, or ''."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"line {lines[-1]}: " if lines else ""


def message(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 2] + ".."
    return type(error).__name__ + (f": {text}" if text else "")


def read_module(path: str, module: types.ModuleType, name: str) -> Callable[..., Any]:
    """Run a student's file as `module` and find the function in it. Raises Problem, and whatever the file raises."""
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read(), filename=path)
    except UnicodeDecodeError:
        raise Problem("the file is not UTF-8 text; save it as UTF-8") from None
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise Problem(f"{place}{type(error).__name__}: {error.msg}") from None

    left = blanks(tree)
    if left:
        places = f"line{'s' * (len(left) > 1)} {', '.join(map(str, left))}"
        raise NotImplementedError(f"a blank (...) is left on {places}; put the missing value there")

    exec(compile(tree, path, "exec"), module.__dict__)
    function = getattr(module, name, None)
    if not callable(function):
        raise Problem(f"there is no function called {name}; keep the name that the stub has")
    return function


def answers_to(job: Message, call: Call) -> Message:
    """What a job's function returns in each case, its arguments as they are then, and the problem that ended it."""
    path, returned, problem = job["path"], [], None
    module = types.ModuleType("student")
    module.__file__ = path
    try:
        with np.errstate(all="ignore"):
            function = read_module(path, module, job["name"])
            for case in job["cases"]:
                arguments = decode(case, lambda number, fields: Given(number, fields, call))
                answer = function(*arguments)
                returned.append({"answer": encode(answer), "arguments": encode(arguments)})
    except Problem as found:
        problem = ["broken", str(found)]
    except NotImplementedError as error:
        problem = ["unfinished", line_in(path, error) + (str(error) or "nothing is written here yet")]
    except SystemExit as error:
        problem = ["broken", f"{line_in(path, error)}the code ends its process (SystemExit); take that out"]
    except BaseException as error:
        problem = ["broken", line_in(path, error) + message(error)]
    prediction = getattr(module, "PREDICTION", "")
    return {"cases": returned, "problem": problem, "prediction": prediction if isinstance(prediction, str) else ""}


class NoProject:
    """Says of the project's packages that they are not there, wherever they are installed."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name: str, *_: Any) -> None:
        """Raise ModuleNotFoundError for a name of the project; None leaves others to Python."""
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} here; an exercise needs NumPy alone")


class Grader:
    """The lines to and from the grader, by which no `print` and no `input` of the student's code gets."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.incoming, self.outgoing = (os.fdopen(os.dup(number), mode) for number, mode in ((0, "rb"), (1, "wb")))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # what is printed goes the way of complaints

    def read(self) -> Message:
        """The grader's next line."""
        return json.loads(self.incoming.readline())

    def send(self, message: Message) -> None:
        """Send a line."""
        self.outgoing.write(json.dumps(message).encode() + b"\n")
        self.outgoing.flush()

    def call(self, number: int, arguments: list, named: dict) -> Any:
        """Have the grader call a function of its own; what it raises is raised here."""
        with self.lock:
            self.send({"call": number, "arguments": encode(arguments), "named": encode(named)})
            reply = self.read()
        if "error" in reply:
            name, text = reply["error"]
            kind = getattr(builtins, name, RuntimeError)
            raise (kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError)(text)
        return decode(reply["value"], lambda number, fields: Given(number, fields, self.call))

    def stop(self, path: str, seconds: float) -> None:
        """Say where the code still is, and end this process; a thread's, as code may let no signal through."""
        frame = sys._current_frames().get(threading.main_thread().ident)
        while frame is not None and frame.f_code.co_filename != path:
            frame = frame.f_back
        place = f"line {frame.f_lineno}: " if frame is not None else ""
        problem = ["broken", f"{place}still running after {seconds:g} s; does a loop never end?"]
        if self.lock.acquire(timeout=1):
            self.send({"cases": [], "problem": problem, "prediction": ""})
        os._exit(1)


def main() -> None:
    """Answer one job."""
    grader = Grader()
    job = grader.read()
    sys.meta_path.insert(0, NoProject(job["hidden"]))
    warnings.simplefilter("ignore")  # NumPy's, about what the verdict says better
    timer = threading.Timer(job["seconds"], grader.stop, (job["path"], job["seconds"]))
    timer.daemon = True
    timer.start()
    answers = answers_to(job, grader.call)
    timer.cancel()
    with grader.lock:
        grader.send(answers)
    os._exit(0)  # whatever threads the code has left behind


if __name__ == "__main__":
    main()
