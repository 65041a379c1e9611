"""A recorded line with names for its fields, and the only place where one is made of the other.

A line is a finished run (`ResultLine`), a single figure (`Measured`), or a word on two codes (`CodeVerdict`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from functools import cache
from typing import Any, get_type_hints

from experiments.record.compact_lines import Line
from system.errors import UserError
from system.from_disk import checked

SettingsTree = dict[str, Any]  # room -> setting -> value
Scores = dict[str, dict[str, Any]]  # split -> metric -> {"value", "low", "high", "n"}
Budget = dict[str, float]  # steps, tokens, seconds, training_flops, ...
Unnamed = Mapping[str, Any]  # what a line holds besides, and no page reads


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """The data of one phase of a run."""

    corpus: str
    train: int  # examples
    held_out: int  # examples
    data_hash: str | None = None  # of the training examples, or of the corpus that was built
    more: Unnamed = field(default_factory=dict)  # packages and benchmarks of a corpus that was built


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """The run that made the network with which another run began."""

    seed: int
    config_hash: str
    code_hash: str
    command: str
    config: SettingsTree  # of data and pretraining alone
    data: dict[str, DataCard]  # phase -> its data
    budget: Budget
    held_out_loss: float | None


@dataclass(frozen=True, kw_only=True)
class TrialMarks:
    """What makes a line that of one run of a suite of the laboratory."""

    request_hash: str  # of all settings that the suite asked for; "asked" in the file
    definition: str  # of its row, as a hash
    tuned: dict[str, Any] = field(default_factory=dict)  # setting, under its first name -> value that the suite chose
    tuning: bool = False  # a short run that chooses them
    made_for: str | None = None  # the suite that made the run, where that is another


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """A run that was trained and scored: `experiments.record.lines.run_line` says where each fact comes from."""

    suite: str
    row: str
    command: str
    config: SettingsTree
    config_hash: str
    code_hash: str
    data_hash: str
    seed: int
    threads: int
    device: str | None = None
    machine: str  # cores and processor
    versions: dict[str, str]
    commit: str | None = None
    budget: Budget
    wall_seconds: float | None = None  # of the whole run, scoring too
    held_out_loss: float | None = None  # nats
    scores: Scores
    baselines: dict[str, Scores] = field(default_factory=dict)  # of what learns nothing, by its name
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)  # gold_parses and signatures
    bits: dict[str, dict[str, str]] = field(default_factory=dict)  # split -> which examples were exact, passed
    trial: TrialMarks | None = None  # of a run of the laboratory
    pretraining: Pretraining | None = None  # where the run began with another's network
    more: Unnamed = field(default_factory=dict)


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
    more: Unnamed = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CodeVerdict:
    """Whether lines of older code count as those of newer code, and why."""

    suite: str
    row: str  # the same in words
    command: str
    accepts: str | None = None  # hash of the older code whose lines count
    rejects: str | None = None  # hash of the older code whose lines do not; one of the two
    newer: str  # hash of the code as whose they count, or do not; "for" in the file
    reason: str
    more: Unnamed = field(default_factory=dict)  # the commit and the runs of a proof


Figure = ResultLine | Measured
Record = Figure | CodeVerdict


def record_of(line: Line) -> Record:
    """The record of a whole line. Raises UserError for one that lacks a field."""
    stored = dict(line)
    if "for" in line:
        return fill_record(CodeVerdict, stored | {"newer": stored.pop("for")}, line)
    if "config" not in line:
        return fill_record(Measured, stored, line)
    if "definition" in line:
        marks = {one.name: stored.pop(one.name) for one in fields(TrialMarks) if one.name in stored}
        stored["trial"] = fill_record(TrialMarks, marks | {"request_hash": stored.pop("asked", "")}, line)
    if "pretraining" in line:
        cards = data_cards(line["pretraining"]["data"], line)
        stored["pretraining"] = fill_record(Pretraining, line["pretraining"] | {"data": cards}, line)
    return fill_record(ResultLine, stored, line)


def data_cards(stored: Mapping[str, Mapping[str, Any]], line: Line) -> dict[str, DataCard]:
    """Phase -> its data, as a run wrote them down. Raises UserError, which says which `line` they are of."""
    return {phase: fill_record(DataCard, card, line) for phase, card in stored.items()}


def fill_record(kind: type, stored: Mapping[str, Any], line: Line) -> Any:
    """A record of this kind, what it has no name for in `more`. Raises UserError, which says which `line` it is of."""
    names = {one.name for one in fields(kind)}
    for one in fields(kind):
        if one.name not in stored and one.default is MISSING and one.default_factory is MISSING:
            where = f"suite {line.get('suite')}, row {line.get('row')!r}"
            raise UserError(f"{where}: its line has no {one.name}; restore it from git")
    named = {name: value for name, value in stored.items() if name in names}
    checked(named, types_of(kind), f"suite {line.get('suite')}, row {line.get('row')!r}", "restore its line from git")
    more = {name: value for name, value in stored.items() if name not in names}
    return kind(**named, **({"more": more} if more else {}))


@cache
def types_of(kind: type) -> type:
    """A class of the same fields, in which those that are records themselves may be anything: they were checked."""
    hints = get_type_hints(kind)
    own = ("DataCard", "TrialMarks", "Pretraining")
    return make_dataclass(kind.__name__, [
        (one.name, Any if any(name in str(one.type) for name in own) else hints[one.name], field(default=None))
        for one in fields(kind)
    ])


def stored_line(found: ResultLine | CodeVerdict) -> Line:
    """The whole line of a record, of which `record_of` makes the same one again."""
    line = {name: value for name, value in vars(found).items() if name not in ("trial", "pretraining", "more")}
    if isinstance(found, CodeVerdict):
        line = {"for" if name == "newer" else name: value for name, value in line.items() if value is not None}
        return {**line, **found.more}
    if (trial := found.trial) is not None:
        line |= {"asked": trial.request_hash, "definition": trial.definition, "tuned": trial.tuned}
        line |= {"tuning": trial.tuning} | ({"made_for": trial.made_for} if trial.made_for else {})
    if found.pretraining is not None:
        cards = {phase: stored_card(card) for phase, card in found.pretraining.data.items()}
        line["pretraining"] = {**vars(found.pretraining), "data": cards}
    return {**line, **found.more}


def stored_card(card: DataCard) -> dict[str, Any]:
    """A data card as it stands in a line."""
    named = {name: value for name, value in vars(card).items() if name != "more" and value is not None}
    return {**named, **card.more}


def figures(records: Iterable[Record]) -> list[Figure]:
    """The records that are runs or single figures."""
    return [one for one in records if not isinstance(one, CodeVerdict)]


def verdicts(records: Iterable[Record]) -> list[CodeVerdict]:
    """The records that are words on two codes."""
    return [one for one in records if isinstance(one, CodeVerdict)]


def runs(records: Iterable[Record]) -> list[ResultLine]:
    """The records that are runs."""
    return [one for one in records if isinstance(one, ResultLine)]


def look_up(found: Figure, path: tuple[str, ...]) -> Any:
    """The value at `path` in a record: a field's name, then keys; None where there is none."""
    value = vars(found).get(path[0])
    for key in path[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return value
