"""The progress of training: a bar on a terminal, a line now and then in a file or pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Self, TextIO

from tqdm import tqdm

NOTHING: Mapping[str, float] = MappingProxyType({})
LINES_PER_PHASE = 20  # lines printed over a whole phase where there is no terminal


class Progress:
    """Shows phase, step of total, loss, tokens a second and time left. Use as a context manager.

    total: steps of the phase; start: steps already done when a run is resumed. Speed and time left count only
    what this process did.
    """

    def __init__(self, phase: str, total: int, start: int = 0, stream: TextIO | None = None) -> None:
        self.phase, self.total, self.start = phase, total, start
        self.stream = sys.stderr if stream is None else stream
        self.every = max(1, total // LINES_PER_PHASE)
        self.began = time.monotonic()
        self.tokens = 0
        self.exchange = NOTHING
        self.bar = None
        if self.stream.isatty():
            layout = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left{postfix}]"
            self.bar = tqdm(
                desc=phase, total=total, initial=start, file=self.stream, bar_format=layout, dynamic_ncols=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            with suppress(OSError):
                self.bar.close()

    @property
    def tokens_per_second(self) -> float:
        """Real tokens a second since this process began the phase."""
        return self.tokens / max(self.seconds, 1e-9)

    @property
    def seconds(self) -> float:
        """Since this process began the phase."""
        return time.monotonic() - self.began

    @property
    def speed(self) -> str:
        """Tokens a second; of several processes also their time in exchanges, and who is waited for."""
        said = f"{self.tokens_per_second:,.0f} tokens/s"
        if self.exchange:
            share, slowest = self.exchange["exchange_share"], self.exchange["slowest_process"]
            said += f", {share:.0%} in exchanges (slowest: process {slowest})"
        return said

    def update(self, step: int, loss: float, tokens: int, exchange: Mapping[str, float] = NOTHING) -> None:
        """Step number `step`, counted from 1, is done; it had this mean loss and saw `tokens` real tokens.

        exchange: of several processes, the share of the time in exchanges and the slowest one
        (training/parallel.py).
        """
        self.tokens += tokens
        self.exchange = exchange
        with suppress(OSError):  # who looked on is gone; that must not end training
            self.show(step, loss)

    def show(self, step: int, loss: float) -> None:
        """Move the bar, or print a line where one is due. Raises OSError where nothing can be shown any more."""
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.3f} {self.speed}", refresh=False)
            self.bar.update(step - self.bar.n)
        elif step % self.every == 0 or step == self.total:
            left = self.seconds / max(1, step - self.start) * (self.total - step)
            self.say(f"{self.phase} step {step}/{self.total}: loss {loss:.3f}, {self.speed}, {clock(left)} left")

    def say(self, line: str) -> None:
        """Print one line without tearing the bar."""
        with suppress(OSError):
            if self.bar is not None:
                self.bar.write(line, file=self.stream)
            else:
                print(line, file=self.stream, flush=True)


def clock(seconds: float) -> str:
    """Seconds as a clock shows them: 12:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
