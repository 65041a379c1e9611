"""Ctrl-C and SIGTERM save before they stop: the step under way ends, a checkpoint is written, the loop ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from training.run.state import Run


@contextmanager
def stopping_on_signals(run: Run) -> Iterator[None]:
    """Inside the `with` the first signal sets `run.stop`; a second Ctrl-C interrupts at once."""

    def stop(number: int, frame: object) -> None:
        if run.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        run.stop = True
        # Not print: the signal may have come in the middle of a write to the same buffer.
        os.write(sys.__stderr__.fileno(), b"\nstopping after this step, a checkpoint is being saved\n")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
