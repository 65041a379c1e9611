import contextlib
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from data.config import DataConfig
from data.sources import open_source
from evaluation.programs import run as programs
from evaluation.programs.run import Outcome, run_programs
from system.errors import UserError

EVEN = "def f(xs):\n    return [x for x in xs if x % 2 == 0]\n"
TESTS = ("assert f([1, 2]) == [2]", "assert f([]) == []")


def statuses(codes, tests=("assert True",), **settings):
    return [outcome.status for outcome in run_programs([(code, tests) for code in codes], **settings)]


def running(text):
    """Command lines of the processes that hold `text` (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found += [line for line in [process.read_bytes().decode(errors="replace")] if text in line]
    return found


def test_a_program_passes_when_all_of_its_tests_do():
    assert run_programs([(EVEN, TESTS)]) == [Outcome(True, "passed")]
    wrong = run_programs([(EVEN, [*TESTS, "assert f([4]) == []"])])[0]
    assert (wrong.passed, wrong.status) == (False, "failed")
    assert "AssertionError" in wrong.message


def test_outcomes_stand_in_the_order_of_the_jobs():
    codes = [f"def f():\n    return {n}" for n in range(40)]
    jobs = [(code, [f"assert f() == {n if n % 3 else -1}"]) for n, code in enumerate(codes)]
    assert [outcome.passed for outcome in run_programs(jobs, workers=2)] == [n % 3 != 0 for n in range(40)]


@pytest.mark.parametrize(
    "code", ["def f(xs: return", "", "def f(xs):\n    return xs['a']", "def f(xs):\n    return f(xs)", "1 / 0",
             "\ud800", "def f(xs):\n\treturn xs\n        x", "def f(xs):\n    return '\0'"]
)  # fmt: skip
def test_a_program_that_breaks_down_has_failed(code):
    outcome = run_programs([(code, TESTS)])[0]
    assert (outcome.passed, outcome.status) in [(False, "failed"), (False, "memory"), (False, "error")]
    assert "\n" not in outcome.message


# How deep a parser can read depends on how deep its caller stands: the process that runs programs reads deeper.
@pytest.mark.parametrize("depth", [2900, 2970, 2980, 20_000])
def test_a_program_that_is_too_deep_to_be_checked_does_not_run(depth):
    code = "x = ().__class__.__base__.__subclasses__()\ny = " + "1+" * depth + "1"
    outcome = run_programs([(code, ["assert len(x) > 10"])])[0]
    assert (outcome.passed, outcome.status) == (False, "refused")


def test_refused_programs_never_run(tmp_path):
    mark = tmp_path / "mark"
    outcome = run_programs([(f"open({str(mark)!r}, 'w')", ["assert True"])])[0]
    assert (outcome.passed, outcome.status) == (False, "refused")
    assert "open" in outcome.message
    assert not mark.exists()


def test_an_endless_program_is_ended_and_the_others_are_not_disturbed():
    codes = ["while True:\n    pass", "x = 9 ** 9 ** 9", "x = 1"]
    assert statuses(codes, time_limit=0.5) == ["time", "time", "passed"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a limit on memory")
def test_a_greedy_program_is_ended():
    codes = ["x = [0] * 10 ** 10", "x = 'ab'\nwhile True:\n    x = [x] * 1000\n    x = str(x)", "x = [0] * 10 ** 6"]
    assert statuses(codes, memory_limit=64, time_limit=20) == ["memory", "memory", "passed"]


@pytest.mark.parametrize("code", ["def sorted(xs):\n    return 1", "sorted = lambda xs: 1", "x = (sorted := abs)"])
def test_a_program_cannot_replace_what_its_tests_are_made_of(code):
    code = f"{code}\ndef f(xs):\n    return 1"
    assert statuses([code], ["assert f(1) == sorted([1])"]) == ["refused"]
    assert statuses(["def f(xs):\n    max = len(xs)\n    return max"], ["assert f([4]) == 1"]) == ["passed"]


def test_functions_keep_their_few_builtins_while_they_are_tested(monkeypatch):
    monkeypatch.setattr(programs, "reason_to_refuse", lambda code: None)
    assert statuses(["def f():\n    return open"], ["assert open", "f()"]) == ["failed"]


def test_every_generated_reference_stays_inside_the_grammar_and_passes_its_tests():
    splits = open_source("generated", DataConfig(generated_train=25, generated_test=25), seed=3).splits()
    examples = [example for split in splits.values() for example in islice(split, 25)]
    outcomes = run_programs([(example.code, example.tests) for example in examples])
    assert [o for o in outcomes if not o.passed] == []
    assert len(outcomes) >= 100


def test_a_restricted_program_has_no_other_builtins_even_where_the_check_is_blind(monkeypatch):
    monkeypatch.setattr(programs, "reason_to_refuse", lambda code: None)
    codes = ["import os", "open('x')", "__builtins__['open']", "class A: pass", "print(1)", "x = len([])"]
    assert statuses(codes) == ["failed"] * 5 + ["passed"]


@pytest.mark.parametrize(
    "code", ["raise SystemExit", "import os\nos._exit(0)", "import sys\nsys.exit(0)", "import os\nos.abort()",
             "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"]
)  # fmt: skip
def test_leaving_early_is_no_success(code):
    outcome = run_programs([(code, ["assert True"])], untrusted=True)[0]
    assert (outcome.passed, outcome.status in ("failed", "error")) == (False, True)


def test_untrusted_programs_may_import_and_write_no_files(tmp_path):
    mark = tmp_path / "mark"
    job = ("import math\ndef f(x):\n    return math.floor(x)", ["assert f(1.5) == 1"])
    writes = (f"with open({str(mark)!r}, 'w') as f:\n    f.write('x' * 10 ** 6)", ["assert True"])
    assert [outcome.status for outcome in run_programs([job, writes], untrusted=True)] == ["passed", "failed"]
    assert not mark.exists() or mark.stat().st_size == 0


def test_each_program_starts_in_an_empty_folder_of_its_own():
    code = "import os\nassert os.listdir('.') == []\nos.mkdir('left')\nhere = os.getcwd()"
    tests = [f"assert here != {os.getcwd()!r}"]
    assert statuses([code] * 3, tests, untrusted=True, workers=1) == ["passed"] * 3


def test_a_flood_of_output_reaches_nobody(capfd):
    flood = "import sys\nfor _ in range(2000):\n    print('x' * 10000)\n    print('y' * 100, file=sys.stderr)"
    reads = "import sys\nassert sys.stdin.read() == ''"
    assert statuses([flood, reads], untrusted=True) == ["passed", "passed"]
    assert capfd.readouterr() == ("", "")


def test_a_program_sees_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    assert statuses(["import os\nassert 'SECRET' not in os.environ"], untrusted=True) == ["passed"]


def test_the_order_of_a_set_is_the_same_in_every_run():
    code = "def f():\n    return ','.join({'a', 'b', 'c', 'd', 'e'})"
    order = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(f())"], env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True
    ).stdout.strip()
    assert statuses([code] * 3, [f"assert f() == {order!r}"], workers=3) == ["passed"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to the server")
def test_no_process_is_left_behind():
    sleeping = f"time.sleep(60 + {os.getpid()} / 2**22)"  # no other process says this
    forks = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execv(sys.executable, [sys.executable, '-c', 'import time; {sleeping}'])\n"
        "    os._exit(0)\n"
        "time.sleep(0.3)"
    )
    assert statuses([forks], untrusted=True)[0] in ("passed", "failed")  # a user who is not root cannot fork at all
    assert running(sleeping) == []


def test_a_job_without_tests_is_refused_as_a_mistake():
    with pytest.raises(ValueError, match="program 1 has no tests"):
        run_programs([(EVEN, TESTS), (EVEN, ())])


def test_nothing_to_run_is_no_error():
    assert run_programs([]) == []


def test_a_server_that_breaks_down_is_reported_once(monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import sys\nprint('{\"memory_limited\": true}', flush=True)\ninput()\nsys.exit('no more room')")
    monkeypatch.setattr(programs, "SERVER", broken)
    with pytest.raises(RuntimeError, match="broke down: no more room"):
        run_programs([(EVEN, TESTS)] * 5, workers=2)


def test_a_program_may_not_kill_its_server_unnoticed():
    code = f"import os\nos.kill(os.getppid(), {int(signal.SIGKILL)})"
    with pytest.raises(RuntimeError, match="broke down"):
        run_programs([(code, ["assert True"])], untrusted=True)


def test_a_system_without_a_limit_on_memory_says_so(monkeypatch, tmp_path):
    server = tmp_path / "server.py"
    server.write_text("import system.platform\nsystem.platform.STATM = 'nothing'\n" + programs.SERVER.read_text())
    monkeypatch.setattr(programs, "SERVER", server)
    with pytest.warns(UserWarning, match="does not limit the memory"):
        assert run_programs([(EVEN, TESTS)]) == [Outcome(True, "passed")]


def test_a_system_without_forks_runs_programs_that_were_checked(monkeypatch, tmp_path):
    server = tmp_path / "server.py"
    server.write_text("import os\ndel os.fork\n" + programs.SERVER.read_text())
    monkeypatch.setattr(programs, "SERVER", server)
    with pytest.warns(UserWarning, match="does not limit the memory"):
        outcomes = run_programs([(EVEN, TESTS), (EVEN, ["assert f([2]) == []"]), ("while True:\n    pass", TESTS)])
        assert [outcome.status for outcome in outcomes] == ["passed", "failed", "time"]
        monkeypatch.setattr(programs, "reason_to_refuse", lambda code: None)
        assert statuses(["import os", "open('x')", "import data"]) == ["failed"] * 3


def test_a_system_without_forks_runs_no_strangers_programs(monkeypatch):
    monkeypatch.setattr(programs, "CAN_FORK", False)
    with pytest.raises(UserError, match="Windows"):
        run_programs([(EVEN, TESTS)], untrusted=True)


def test_the_server_needs_the_standard_library_only_and_has_not_seen_torch():
    tests = ["import sys", "assert not {'torch', 'numpy', 'data', 'evaluation'} & set(sys.modules)", "import ast, json"]
    assert statuses(["x = 1"], tests, untrusted=True) == ["passed"]


