"""Whatever a student's file does, one line says so, with the student's line number, and no verdict is of its making."""

import json
import os
import sys
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest

from system import platform
from teaching.exercises import own_process
from teaching.exercises.exercise import Case, Exercise
from teaching.exercises.own_process import Job, run_exercise
from teaching.exercises.student_file import Given, decode, encode

HALVE = Exercise("halve", ("half",), lambda draw: [Case("one", (np.arange(4.0),))], lambda x: x / 2, ())
TWICE = Exercise(  # a function among the arguments, called by the student
    "twice", ("y",), lambda draw: [Case("one", (lambda x, by=2: x * by, np.arange(3.0)))], lambda f, x: f(f(x)), ()
)
HEAD = "import numpy as np\n\nPREDICTION = 'small'\n\n\ndef halve(x):\n"


@pytest.fixture
def verdict_on(tmp_path, grade_file):
    def grade(text, exercise=HALVE):
        return grade_file(exercise, written(tmp_path, text))

    return grade


def written(tmp_path, text):
    path = tmp_path / "01_halve.py"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_right_file_passes_and_its_prediction_is_kept(verdict_on):
    verdict = verdict_on(HEAD + "    return x / 2\n")
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
    ("    raise KeyboardInterrupt\n", "halve: cannot be graded, line 7: KeyboardInterrupt"),
    ("    return halve(x)\n", "halve: cannot be graded, line 7: RecursionError"),
    ("    raise Exception('two\\nlines' + 500 * 'x')\n", "halve: cannot be graded, line 7: Exception: two linesxxx"),
    ("    return np.zeros(10**18)\n", "halve: cannot be graded, line 7: "),
])  # fmt: skip
def test_what_goes_wrong_is_one_line_with_the_line_of_the_file(body, line, verdict_on):
    verdict = verdict_on(HEAD + body)
    assert verdict.line.startswith(line) and "\n" not in verdict.line and len(verdict.line) < 260
    assert verdict.status in ("broken", "unfinished")
    assert verdict.prediction == ("" if "SyntaxError" in line or "blank" in line else "small")


@pytest.mark.parametrize(("body", "words"), [
    ("    return [1, 2]\n", "is a list; an array of shape (4,) is expected"),
    ("    return x.tolist() * 10**6\n", "is a list; an array of shape (4,) is expected"),
    ("    return 'half'\n", "is a str; "),
    ("    return {1: x}\n", "is a dict; "),
    ("    return {'x': x}\n", "is a dict; "),
    ("    return halve\n", "is a function; "),
    ("    return 10**400\n", "is a int; "),
    ("    return x.astype('float32') / 2\n", "holds float32; float64 is expected"),
    ("    return x.astype(object) / 2\n", "holds object; float64 is expected"),
    ("    return np.array(['a'] * 4)\n", "holds <U1; float64 is expected"),
    ("    return np.ones(10**7)\n", "has shape (10000000,); (4,) is expected"),
    ("    return np.float64(3)\n", "is a float64; an array of shape (4,) is expected"),
    ("    return x * np.nan\n", "largest difference not finite"),
    ("    import torch\n    return torch.ones(4)\n", "is a torch tensor; an array of shape (4,) of NumPy is expected"),
])  # fmt: skip
def test_answers_of_another_form_are_called_what_they_are(body, words, verdict_on):
    verdict = verdict_on(HEAD + body)
    assert verdict.status == "wrong" and words in verdict.line


@pytest.mark.parametrize(("text", "words"), [
    ("", "there is no function called halve"),
    ("halve = 3\n", "there is no function called halve"),
    ("def halve():\n    return 1\n", "TypeError: halve() takes 0 positional arguments but 1 was given"),
    ("import nothing_of_that_name\n", "line 1: ModuleNotFoundError"),
    (b"# caf\xe9\n", "not UTF-8"),
    ("x = 1\0\n", "source code string cannot contain null bytes"),
    ("def halve(x):\n  return x\n   return x\n", "line 3: IndentationError"),
])  # fmt: skip
def test_a_file_without_the_function_is_told_why(text, words, verdict_on):
    verdict = verdict_on(text)
    assert verdict.status == "broken" and words in verdict.line and "\n" not in verdict.line


def test_a_prediction_that_is_no_text_is_none(verdict_on):
    assert verdict_on("PREDICTION = 3\n" + "def halve(x):\n    return x / 2\n").prediction == ""


LOOPS = {
    "loop": "    while True:\n        x = x + 1\n",
    "loop that catches": "    while True:\n        try:\n            x = x + 1\n        except BaseException:\n"
    "            pass\n",
    "sleep": "    import time\n    time.sleep(60)\n",
    "lock": "    import threading\n    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n",
}


@pytest.mark.parametrize("kind", LOOPS)
def test_code_without_end_is_stopped_and_its_line_is_named(kind, tmp_path):
    verdict, printed = run_exercise(HALVE, written(tmp_path, "print('here')\n" + HEAD + LOOPS[kind]), 0.4)
    assert verdict.line.startswith("halve: cannot be graded, line ") and "still running after 0.4 s" in verdict.line
    assert printed == "here\n"


def test_code_that_lets_nothing_else_run_is_stopped_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(own_process, "GRACE", 0.5)
    verdict, _ = run_exercise(HALVE, written(tmp_path, HEAD + "    9 ** 9 ** 9\n"), 0.4)
    assert verdict.line == "halve: cannot be graded, still running after 0.4 s; what blocks it?"


FORGED = b'{"cases": [], "problem": null, "prediction": "", "status": "passed"}\n'
WRITE_FORGED = f"""
import os
for number in range(3, 20):
    try:
        os.write(number, {FORGED})
    except OSError:
        pass
os._exit(0)
"""
ATTEMPTS = {
    "the grader's modules": "import sys\nfrom teaching.exercises import grading\n",
    "the truth": "import teaching.exercises.topics.attention\n",
    "the network": "import model\n",
    "a verdict of one's own": WRITE_FORGED,
    "a verdict in the place of answers": "import sys\n"
    "sys.modules['__main__'].encode = lambda *_: {'status': 'passed'}\n",
    "lists without end": "import sys\nx = []\nx.append(x)\nsys.modules['__main__'].encode = lambda *_: x\n",
    "every comparison true": "import numpy as np\n"
    "np.allclose = np.array_equal = lambda *_, **__: True\n"
    "class Zero(np.ndarray):\n"
    "    def __sub__(self, other):\n        return np.zeros(4)\n    __rsub__ = __abs__ = __sub__\n",
    "fewer arguments": "import sys\nmain = sys.modules['__main__']\n"
    "encode = main.encode\nmain.encode = lambda value, *_: [] if isinstance(value, list) else encode(value)\n",
    "a number without end": "import sys\nencode = sys.modules['__main__'].encode\n"
    "sys.modules['__main__'].encode = lambda value, *_: "
    "encode(value) if isinstance(value, list) else {'number': ['S2000000000', [], None]}\n",
    "ends well": "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)\n",
}


@pytest.mark.parametrize("kind", ATTEMPTS)
def test_no_code_writes_its_own_verdict(kind, tmp_path):
    answer = "np.ones(4).view(Zero)" if "comparison" in kind else "np.ones(4)"
    text = f"{ATTEMPTS[kind]}\nimport numpy as np\ndef halve(x):\n    return {answer}\n"
    verdict, _ = run_exercise(HALVE, written(tmp_path, text), 3.0)
    assert verdict.status in ("wrong", "broken") and "\n" not in verdict.line
    if kind in ("fewer arguments", "a number without end"):
        assert "its process sent what is no answer" in verdict.line
    if kind in ("the grader's modules", "the truth", "the network"):
        assert "ModuleNotFoundError" in verdict.line and "an exercise needs NumPy alone" in verdict.line


def test_processes_that_the_code_began_end_with_it(tmp_path):
    name = f"codegen-test-{os.getpid()}-{time.monotonic_ns()}"
    sleep = f"[sys.executable, '-c', 'import time; time.sleep(60)', {name!r}]"
    begin = f"import subprocess, sys\nsubprocess.Popen({sleep})\n"
    verdict, _ = run_exercise(HALVE, written(tmp_path, begin + HEAD + "    return x / 2\n"))
    assert verdict.status == "passed"
    until = time.monotonic() + 5
    while named(name) and time.monotonic() < until:
        time.sleep(0.02)
    assert not named(name)


def named(name):
    return [p for p in psutil.process_iter(["cmdline", "status"])
            if name in (p.info["cmdline"] or []) and p.info["status"] != psutil.STATUS_ZOMBIE]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="of forks")
def test_a_process_that_hides_does_not_keep_the_grader_waiting(tmp_path):
    hides = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(4)\n    os._exit(0)\n"
    began = time.monotonic()
    verdict, _ = run_exercise(HALVE, written(tmp_path, hides + HEAD + "    return x / 2\n"))
    assert verdict.status == "passed" and time.monotonic() - began < 3.5


def test_what_the_code_reads_is_empty_and_what_it_prints_is_kept_apart(tmp_path):
    text = "import os, subprocess, sys\nprint('é')\nsys.stderr.write('two\\n')\nsubprocess.run(['echo', 'three'])\n"
    reads = "try:\n    input()\nexcept EOFError:\n    print('nothing')\n"
    verdict, printed = run_exercise(HALVE, written(tmp_path, text + reads + HEAD + "    return x / 2\n"))
    assert verdict.status == "passed" and printed.split() == ["é", "two", "three", "nothing"]


@pytest.mark.parametrize(("body", "line"), [
    ("return f(f(x))", "twice: passed"),
    ("return f(x, by=4)", "twice: passed"),
    ("return f(x)", "twice: wrong"),
    ("return f(x, 1, 2)", "twice: cannot be graded, line 2: TypeError"),
    ("return f('ab', [])", "twice: cannot be graded, line 2: TypeError"),
    ("return f.nothing", "twice: cannot be graded, line 2: AttributeError"),
    ("return f", "twice: wrong, y is a function; an array of shape (3,) is expected"),
])  # fmt: skip
def test_a_function_among_the_arguments_is_called_where_the_grader_is(body, line, tmp_path):
    verdict, _ = run_exercise(TWICE, written(tmp_path, f"def twice(f, x):\n    {body}\n"))
    assert verdict.line.startswith(line)


def test_endless_calls_end_and_large_ones_are_refused(tmp_path):
    verdict, _ = run_exercise(TWICE, written(tmp_path, "def twice(f, x):\n    while True:\n        f(x)\n"), 0.5)
    assert "still running after 0.5 s" in verdict.line
    large = "import numpy as np\ndef twice(f, x):\n    return f(np.ones(10**6))\n"
    verdict, _ = run_exercise(TWICE, written(tmp_path, large))
    assert "line 3: ValueError: the arguments are larger" in verdict.line


VALUES = [
    None, True, 3, -2**62, 0.1, float("inf"), np.float64(2.5), np.int8(-3), np.bool_(True), np.arange(6).reshape(2, 3),
    np.zeros((0, 3)), np.array(1.5), np.arange(3, dtype=">f4"), np.arange(8)[::2], [1, (2.0, np.ones(2))],
    {"a": [None]},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_arrive_as_they_were_sent(value):
    arrived = decode(json.loads(json.dumps(encode(value))), None)
    assert type(arrived) is type(value) and repr(arrived) == repr(value)


def test_what_the_truth_alone_may_know_is_not_sent():
    from teaching.exercises.catalogue import EXERCISES

    job = Job(EXERCISES["encode_decode"], own_process.PROGRAM)
    *_, decoder = decode(job.message["cases"][0], lambda number, fields: Given(number, fields, None))
    assert [name for name in vars(decoder) if not name.startswith("_")] == ["layers", "norm"]


def test_without_process_groups_the_family_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "WINDOWS", True)
    monkeypatch.setattr(own_process, "GRACE", 0.2)
    begin = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    text = begin + "print(child.pid)\n" + HEAD + "    9 ** 9 ** 9\n"
    _, printed = run_exercise(HALVE, written(tmp_path, text), 0.5)
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(int(printed)).status() == psutil.STATUS_ZOMBIE
