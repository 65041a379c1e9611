"""Ctrl-C, SIGTERM and a lost terminal (SIGHUP) save before they stop: the step under way ends, a checkpoint is written.

So does SIGUSR1, which Slurm can be asked to send before a job's time ends. Under nohup, which has SIGHUP ignored, a
lost terminal changes nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from system.platform import stop_signals
from training.run.state import Run


@contextmanager
def stopping_on_signals(run: Run) -> Iterator[None]:
    """Inside the `with` the first signal sets `run.stop`; a second Ctrl-C interrupts at once."""

    def stop(number: int, frame: object) -> None:
        if run.asked_to_stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        run.asked_to_stop = True
        if run.ranks is None:  # else all processes stop after the same step
            run.stop = True
        try:  # not print: the signal may have come in the middle of a write to the same buffer
            os.write(sys.__stderr__.fileno(), b"\nstopping after this step, a checkpoint is being saved\n")
        except (OSError, ValueError, AttributeError):  # the terminal is gone
            drop_output()

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def drop_output() -> None:
    """Send what is still printed to nowhere: a line that fails must not cost the checkpoint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
