"""A child is waited for, even where the parent is interrupted."""

import os
import signal
import subprocess
import sys
import threading

from experiments.child import run_child

SLOW_TO_SAVE = """
import signal, sys, time
def save(*_):
    time.sleep(0.6)
    sys.exit(7)
signal.signal(signal.SIGINT, save)
print("ready", flush=True)
time.sleep(20)
"""


def test_a_child_that_is_interrupted_has_time_to_save(tmp_path):
    """Both get the signal, as both do from a terminal; the child's is its own handler's status, not a kill's."""
    relay = (
        "import sys\n"
        "from pathlib import Path\n"
        "from experiments.child import run_child\n"
        "print('status', run_child([sys.executable, '-c', sys.argv[1]], Path('.')))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", relay, SLOW_TO_SAVE], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout.readline() == "ready\n"
    timer = threading.Timer(0.1, os.killpg, (parent.pid, signal.SIGINT))
    timer.start()
    assert parent.communicate(timeout=30)[0] == "status 7\n"


def test_the_status_is_the_childs(tmp_path):
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"], tmp_path) == 3
