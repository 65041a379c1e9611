"""Whatever a student's file does, one line says so, with the student's line number."""

import numpy as np
import pytest

from teaching.exercises.exercise import Case, Exercise
from teaching.exercises.student_file import grade_file

HALVE = Exercise("halve", ("half",), lambda draw: [Case("one", (np.arange(4.0),))], lambda x: x / 2, ())
HEAD = "import numpy as np\n\nPREDICTION = 'small'\n\n\ndef halve(x):\n"


def verdict_on(tmp_path, text, seconds=5.0):
    path = tmp_path / "01_halve.py"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return grade_file(HALVE, path, seconds)


def test_a_right_file_passes_and_its_prediction_is_kept(tmp_path):
    verdict = verdict_on(tmp_path, HEAD + "    return x / 2\n")
    assert (verdict.status, verdict.prediction) == ("passed", "small")


@pytest.mark.parametrize(("body", "line"), [
    ("    return x / x.nothing\n", "halve: cannot be graded, line 7: AttributeError: 'numpy.ndarray' object has no"),
    ("    return np.linalg.inv(x)\n", "halve: cannot be graded, line 7: LinAlgError: 1-dimensional array given"),
    ("    return (x / 2\n", "halve: cannot be graded, line 7: SyntaxError: '(' was never closed"),
    ("    x / 2\n", "halve: cannot be graded, nothing came back (None); is a `return` missing?"),
    ("    x /= 2\n    return x\n", "halve: cannot be graded, argument 1 was changed in place"),
    ("    raise NotImplementedError\n", "halve: not finished, line 7: nothing is written here yet"),
    ("    half = ...\n    return half\n", "halve: not finished, a blank (...) is left on line 7"),
    ("    import sys\n    sys.exit()\n", "halve: cannot be graded, line 8: the code ends its process"),
    ("    return halve(x)\n", "halve: cannot be graded, line 7: RecursionError"),
    ("    raise Exception('two\\nlines' + 500 * 'x')\n", "halve: cannot be graded, line 7: Exception: two linesxxx"),
    ("    return np.zeros(10**18)\n", "halve: cannot be graded, line 7: "),
    ("    while True:\n        x = x + 1\n", "halve: cannot be graded, line "),
    ("    while True:\n        try:\n            x = x + 1\n        except Exception:\n            pass\n",
     "halve: cannot be graded, line "),
])  # fmt: skip
def test_what_goes_wrong_is_one_line_with_the_line_of_the_file(body, line, tmp_path):
    verdict = verdict_on(tmp_path, HEAD + body, seconds=0.2 if "while" in body else 5.0)
    assert verdict.line.startswith(line) and "\n" not in verdict.line and len(verdict.line) < 260
    assert ("still running after 0.2 s" in verdict.line) == ("while" in body)
    assert verdict.status in ("broken", "unfinished")


@pytest.mark.parametrize(("text", "words"), [
    ("", "there is no function called halve"),
    ("halve = 3\n", "there is no function called halve"),
    ("def halve():\n    return 1\n", "TypeError: halve() takes 0 positional arguments but 1 was given"),
    ("import nothing_of_that_name\n", "line 1: ModuleNotFoundError"),
    ("input()\n", "line 1: "),
    (b"# caf\xe9\n", "not UTF-8"),
    ("x = 1\0\n", "source code string cannot contain null bytes"),
    ("def halve(x):\n  return x\n   return x\n", "line 3: IndentationError"),
])  # fmt: skip
def test_a_file_without_the_function_is_told_why(text, words, tmp_path):
    verdict = verdict_on(tmp_path, text)
    assert verdict.status == "broken" and words in verdict.line and "\n" not in verdict.line


def test_a_prediction_that_is_no_text_is_none(tmp_path):
    assert verdict_on(tmp_path, "PREDICTION = 3\n" + "def halve(x):\n    return x / 2\n").prediction == ""
