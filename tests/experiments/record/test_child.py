"""Children are waited for, even where the parent is interrupted."""

import os
import signal
import subprocess
import sys
import threading

from experiments.record.child import STOPPED, run_child, run_side_by_side

SLOW_TO_SAVE = """
import signal, sys, time
def save(*_):
    time.sleep(0.6)
    sys.exit(7)
signal.signal(signal.SIGINT, save)
print("ready", flush=True)
time.sleep(20)
"""


def start_parent(body):
    """A process that runs `body`, in which `child` is a command that is slow to save, in a process group of its own."""
    head = (
        "import sys\n"
        "from pathlib import Path\n"
        "from experiments.record.child import run_child, run_side_by_side\n"
        "child = [sys.executable, '-c', sys.argv[1]]\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + body, SLOW_TO_SAVE], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_a_child_that_is_interrupted_has_time_to_save():
    """Both get the signal, as both do from a terminal; the child's is its own handler's status, not a kill's."""
    parent = start_parent("print('status', run_child(child, Path('.')))")
    assert parent.stdout.readline() == "ready\n"
    timer = threading.Timer(0.1, os.killpg, (parent.pid, signal.SIGINT))
    timer.start()
    assert parent.communicate(timeout=30)[0] == "status 7\n"


def test_the_status_is_the_childs(tmp_path):
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"], tmp_path) == 3


def test_children_side_by_side_say_who_they_are(tmp_path, capsys):
    commands = {name: [sys.executable, "-c", f"print('done {name}')"] for name in ("first", "other", "third")}
    assert run_side_by_side(commands, tmp_path, 2) == {"first": 0, "other": 0, "third": 0}
    said = sorted(capsys.readouterr().out.splitlines())
    assert said == ["first  done first", "other  done other", "third  done third"]


def test_two_run_at_once_and_no_more(tmp_path):
    """Each waits for its neighbour's file, which comes only if both run; the third finds both gone."""
    meet = (
        "import sys, time; from pathlib import Path; mine, other = map(Path, sys.argv[1:])\n"
        "mine.touch(); end = time.monotonic() + 20\n"
        "while not other.exists() and time.monotonic() < end: time.sleep(0.02)\n"
        "time.sleep(0.3); met = other.exists(); time.sleep(0.3); mine.unlink(); sys.exit(not met)"
    )
    alone = "from pathlib import Path; import sys; sys.exit(all(Path(name).exists() for name in 'ab'))"
    commands = {
        "a": [sys.executable, "-c", meet, "a", "b"], "b": [sys.executable, "-c", meet, "b", "a"],
        "alone": [sys.executable, "-c", alone],
    }  # fmt: skip
    assert run_side_by_side(commands, tmp_path, 2) == {"a": 0, "b": 0, "alone": 0}


def test_none_is_begun_after_one_that_failed(tmp_path):
    commands = {
        "bad": [sys.executable, "-c", "raise SystemExit(3)"],
        "later": [sys.executable, "-c", "from pathlib import Path; Path('begun').touch()"],
    }
    assert run_side_by_side(commands, tmp_path, 1) == {"bad": 3, "later": STOPPED}
    assert not (tmp_path / "begun").exists()


def test_an_interrupt_waits_for_those_that_run_and_begins_no_other():
    parent = start_parent("print('statuses', run_side_by_side(dict.fromkeys('abc', child), Path('.'), 2))")
    assert {parent.stdout.readline(), parent.stdout.readline()} == {"a  ready\n", "b  ready\n"}
    os.killpg(parent.pid, signal.SIGINT)
    said = parent.communicate(timeout=30)[0]
    assert said == f"statuses {{'a': 7, 'b': 7, 'c': {STOPPED}}}\n"
