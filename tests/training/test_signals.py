"""The first signal asks the loop to stop, a second Ctrl-C does not wait, and other code keeps its own handlers."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from training.signals import stopping_on_signals

pytestmark = pytest.mark.usefixtures("hangups_are_heard")
ROOT = Path(__file__).parents[2]


HANGUP, SLURMS = (
    pytest.param(name, marks=pytest.mark.skipif(not hasattr(signal, name), reason="not on Windows"))
    for name in ("SIGHUP", "SIGUSR1")
)


def alone():
    """A run that one process trains."""
    return SimpleNamespace(stop=False, asked_to_stop=False, ranks=None)


def test_one_of_several_processes_stops_when_all_do():
    run = SimpleNamespace(stop=False, asked_to_stop=False, ranks="several")
    with stopping_on_signals(run):
        signal.raise_signal(signal.SIGINT)
    assert run.asked_to_stop and not run.stop


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", HANGUP, SLURMS])
def test_a_signal_asks_the_loop_to_stop_and_says_so(number, capfd):
    run = alone()
    with stopping_on_signals(run):
        signal.raise_signal(getattr(signal, number))
    assert run.stop
    assert "a checkpoint is being saved" in capfd.readouterr().err


def test_a_second_ctrl_c_does_not_wait_for_the_step():
    run = alone()
    with pytest.raises(KeyboardInterrupt), stopping_on_signals(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_still_lets_the_checkpoint_be_written():
    run = alone()
    with stopping_on_signals(run):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert run.stop


def test_the_handlers_from_before_come_back_even_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), stopping_on_signals(alone()):
        _ = 1 / 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


IN_A_TERMINAL = """
import signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from training.progress import Progress
from training.signals import stopping_on_signals

run, step = SimpleNamespace(stop=False, asked_to_stop=False, ranks=None), 0
with stopping_on_signals(run), Progress("training", 10**6) as progress:
    print("begun", flush=True)
    while not run.stop:
        step += 1
        progress.update(step, 1.0, 1)
        time.sleep(0.01)
    progress.say("one step more")
Path(sys.argv[1]).write_text("saved")
print("stopped", file=sys.stderr)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals of this kind here")
def test_a_terminal_that_is_closed_costs_nothing(tmp_path):
    """As a window that is closed does it: writing to the terminal fails, and SIGHUP comes.

    The signal is sent here too, as not every system sends it to a process that is alone in its session.
    """
    saved, (master, slave) = tmp_path / "saved", os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, str(saved)], cwd=ROOT, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        assert b"begun" in os.read(master, 1000)
        os.close(master)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert saved.read_text() == "saved"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="not on Windows")
def test_under_nohup_a_lost_terminal_changes_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = alone()
        with stopping_on_signals(run):
            signal.raise_signal(signal.SIGHUP)
        assert not run.stop and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
