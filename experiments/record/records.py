"""A recorded line with names for its fields: a finished run (`ResultLine`) or a single figure (`Measured`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from experiments.record.compact_lines import Line
from system.errors import UserError

Scores = dict[str, dict[str, Any]]  # split -> metric -> {"value", "low", "high", "n"}


@dataclass(frozen=True)
class ResultLine:
    """A run that was trained and scored: `experiments.record.lines.run_line` says where each fact comes from."""

    suite: str
    row: str
    command: str
    seed: int
    threads: int
    machine: str  # cores and processor
    versions: dict[str, str]
    config: dict[str, Any]  # the whole tree of settings
    config_hash: str
    code_hash: str
    data_hash: str
    budget: dict[str, float]  # steps, tokens, seconds, training_flops, ...
    scores: Scores
    baselines: dict[str, Scores] = field(default_factory=dict)  # of what learns nothing, by its name
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)  # gold_parses and signatures
    bits: dict[str, dict[str, str]] = field(default_factory=dict)  # split -> which examples were exact, passed
    held_out_loss: float | None = None
    tuned: dict[str, Any] = field(default_factory=dict)  # setting -> value that the suite has chosen
    tuning: bool = False  # a short run that chooses them


@dataclass(frozen=True)
class Measured:
    """One figure, its unit, and as much of the rest as its measurement has."""

    suite: str
    row: str
    command: str
    machine: str
    value: float
    unit: str
    code_hash: str | None = None
    data_hash: str | None = None
    commit: str | None = None
    target: str | None = None  # in words
    met: bool | None = None
    low: float | None = None  # 95% interval
    high: float | None = None
    over: str | None = None  # what the interval is over
    n: int | None = None
    functions: int | None = None  # the value is over so many
    p: float | None = None
    p_corrected: float | None = None
    peers: dict[str, list[float]] = field(default_factory=dict)  # of speed: other implementations, round by round
    against: str | None = None  # the peer that counts
    ratio: dict[str, float] | None = None  # ours to that peer's: median, min, max, rounds
    layers: tuple[float, ...] = ()  # of gradient_norms
    part: str = ""  # of benchmarks: which examples, whose code, scored how
    who: str = ""
    column: str = ""
    scored_by: str | None = None
    minutes: float | None = None  # of training, all networks together
    parameters: float | dict[str, int] | None = None


Record = ResultLine | Measured


def record(line: Line) -> Record:
    """The record of a line that `read_suite` gave. Raises UserError for one that lacks a field."""
    kind = ResultLine if "config" in line else Measured
    for one in fields(kind):
        if one.name not in line and one.default is MISSING and one.default_factory is MISSING:
            where = f"suite {line.get('suite')}, row {line.get('row')!r}"
            raise UserError(f"{where}: its line has no {one.name}; restore it from git")
    return kind(**{one.name: line[one.name] for one in fields(kind) if one.name in line})


def records(lines: Iterable[Line]) -> list[Record]:
    """The same of several, without those that only let in lines of other code."""
    return [record(line) for line in lines if "for" not in line]


def runs(lines: Iterable[Line]) -> list[ResultLine]:
    """The records of those lines that are runs."""
    return [one for one in records(lines) if isinstance(one, ResultLine)]
