"""The first signal asks the loop to stop, a second Ctrl-C does not wait, and other code keeps its own handlers."""

import signal
from types import SimpleNamespace

import pytest

from training.signals import stopping_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_the_loop_to_stop_and_says_so(number, capfd):
    run = SimpleNamespace(stop=False)
    with stopping_on_signals(run):
        signal.raise_signal(number)
    assert run.stop
    assert "a checkpoint is being saved" in capfd.readouterr().err


def test_a_second_ctrl_c_does_not_wait_for_the_step():
    run = SimpleNamespace(stop=False)
    with pytest.raises(KeyboardInterrupt), stopping_on_signals(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_still_lets_the_checkpoint_be_written():
    run = SimpleNamespace(stop=False)
    with stopping_on_signals(run):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert run.stop


def test_the_handlers_from_before_come_back_even_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), stopping_on_signals(SimpleNamespace(stop=False)):
        _ = 1 / 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
