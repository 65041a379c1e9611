"""From a suite to its runs: the command of each, what tells it from every other, and whether its line is there."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median
from typing import Any

import train
from data.objectives.table import OBJECTIVES
from data.sources import open_source
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.suite import (
    BASE_ROW,
    CORPUS,
    NETWORKS,
    START,
    TEACHER,
    TUNING_SEED,
    Changes,
    Suite,
    definition,
    rows_of,
    seeds_of,
)
from experiments.record.compact_lines import NOT_CONFIGURATION, short_hash, without_place
from experiments.record.measurement import ROOT
from experiments.record.records import Record, ResultLine, TrialMarks
from model.config import PRETRAINING_HEADS
from system.errors import UserError
from system.trial import step_cap
from training import strategies
from training.command_line import read_training_command
from training.config import LoopConfig
from training.mixture import import_objectives
from training.run.code_hash import code_hash, imported_files
from training.run.old_settings import differing, flat, in_first_names, read_old
from training.run.settings_file import to_dict
from training.strategies.config import StrategiesConfig

# What a run that begins from another's network cannot choose, and what does not touch the network that it begins with.
OF_A_NETWORK = ("model", "pretraining", "data.vocab_size", "data.shards", "data.mined_limit")
OF_FINE_TUNING = ("training", "strategies", "evaluation", "data.train_limit")
NOT_REQUESTED = {*NOT_CONFIGURATION, "preset", "model.vocab_size"}  # what follows from other settings or from the data
CHANGES_NOTHING = (
    "it changes nothing: the base has this value, or another setting decides (steps over epochs, say); take it out of "
    "the suite"
)
READ_SHARDS = ("data.shards.command", "data.shards.store")  # modules that a run with data.shards imports late


@dataclass(frozen=True)
class Trial:
    """One run of a suite."""

    suite: str
    row: str
    seed: int
    options: tuple[str, ...]  # of train.py, but for --run
    request_hash: str  # of all settings that count
    definition: str  # of its row
    tuned: tuple[tuple[str, Any], ...] = ()  # the values of the suite's tuned settings
    tuning: bool = False  # a short run that chooses them
    network: Trial | None = None  # the run whose network it begins with: its row's, or one of another row
    teacher: Trial | None = None  # the run that it learns from

    @property
    def name(self) -> str:
        """The name of the run in messages."""
        chosen = ", ".join(f"{setting.rpartition('.')[2]} {value}" for setting, value in self.tuned)
        return f"{self.row}, {f'tuning, {chosen}' if self.tuning else f'seed {self.seed}'}"


def as_options(changes: Changes) -> list[str]:
    """Settings as options of train.py; the corpus stands first, without a name."""
    found = [str(changes[CORPUS])] if CORPUS in changes else []
    for setting, value in changes.items():
        room, dot, name = setting.rpartition(".")
        if isinstance(value, bool):
            found.append(f"--{room}{dot}{name if value else f'no_{name}'}")
        elif isinstance(value, (tuple, list)):
            found += [f"--{setting}", *map(str, value)]
        elif setting != CORPUS:
            found.append(f"--{setting}={value}")
    return found


def make_trial(suite: Suite, row: str, seed: int, tuned: Changes | None = None, tuning: bool = False) -> Trial:
    """A run of a row. Raises UserError where its settings cannot be together."""
    changes = read_old({**suite.base, **rows_of(suite)[row], **(tuned or {})}, suite.schema)
    networks, of_start, of_teacher = changes.pop(NETWORKS, 0), changes.pop(START, ""), changes.pop(TEACHER, "")
    teacher = make_trial(suite, of_teacher, max(seed, 1)) if of_teacher else None  # tuning has the first one
    if teacher is not None:
        changes["strategies.teacher.run"] = of_teacher  # whoever makes the run puts the folder in its place

    if tuning:
        changes["training.steps"] = changes["training.steps"] // suite.tuning_share
        if not networks and "pretraining.steps" in changes:
            changes["pretraining.steps"] = changes["pretraining.steps"] // suite.tuning_share

    options, network = options_of(changes, seed), None
    request_hash = hash_of_request(options)  # of pretraining and training as one run: it is refused where that would be
    if of_start or networks:
        new = new_heads(changes)
        of_network = {name: value for name, value in changes.items() if name not in new}
        if of_start:
            network = make_trial(suite, of_start, seed)
        else:
            network = make_network(suite, row, seed, of_network, networks)
        request_hash = short_hash([request_hash, network.request_hash, network.seed])
        options = options_of({n: v for n, v in changes.items() if n in new or not is_among(n, OF_A_NETWORK)}, seed)
    if teacher is not None:
        request_hash = short_hash([request_hash, teacher.request_hash])

    chosen = tuple((tuned or {}).items())
    return Trial(
        suite.name, row, seed, options, request_hash, definition(suite, row), chosen, tuning, network, teacher
    )


def new_heads(changes: Changes) -> set[str]:
    """The heads that pretraining does not use; fine-tuning adds them, so rows that differ in them share a network."""
    taught = {f"model.{row.head}" for name, row in OBJECTIVES.items() if changes.get(f"pretraining.objectives.{name}")}
    heads = {f"model.{head}" for head in PRETRAINING_HEADS}
    return {head for head in heads - taught if changes.get(head)}


def make_network(suite: Suite, row: str, seed: int, changes: Changes, networks: int) -> Trial:
    """The run that pretrains the network with which the run of `seed` begins.

    Networks are shared by seeds in turn, 1, 2, 1, 2... A run's seed decides what is held out, and so what a vocabulary
    is learned on; to have one in all rows, the second and later networks begin where the first one did.
    """
    changes = {name: changes[name] for name in changes if not is_among(name, OF_FINE_TUNING)}
    changes |= {"training.steps": 0, "training.epochs": 0}
    number, start = (max(seed, 1) - 1) % networks + 1, None
    request_hash = hash_of_request(options_of(changes, number))
    if number > 1:
        untrained = {name: changes[name] for name in changes if not is_among(name, ("pretraining",))}
        options = options_of({**untrained, "pretraining.steps": 0, "pretraining.epochs": 0}, 1)
        start = Trial(suite.name, row, 1, options, hash_of_request(options), definition(suite, row))
        request_hash = short_hash([request_hash, start.request_hash])
        changes = {name: changes[name] for name in changes if not is_among(name, ("model", "data.vocab_size"))}
    options = options_of(changes, number)
    return Trial(suite.name, row, number, options, request_hash, definition(suite, row), network=start)


def is_among(setting: str, rooms: tuple[str, ...]) -> bool:
    """Whether a setting is one of these, or lies in one of these rooms."""
    return setting in rooms or setting.partition(".")[0] in rooms


def options_of(changes: Changes, seed: int) -> tuple[str, ...]:
    """The options of a run on one thread. They name no recipe, because recipes change and a suite must not."""
    return (*as_options(changes), "--preset=none", "--device=cpu", "--threads=1", f"--seed={seed}")


def hash_of_request(options: Iterable[str]) -> str:
    """A hash of the settings that were requested: of those that differ from the defaults.

    Where it runs, what follows from the data (the number of pieces) and what has no effect are left out. Raises
    UserError.
    """
    settings = settings_that_act(settings_of(options))
    not_default = differing(flat(to_dict(settings)), flat(to_dict(type(settings)())))
    return short_hash({name: without_place(value) for name, value in not_default.items() if name not in NOT_REQUESTED})


def settings_that_act(settings: train.Settings) -> train.Settings:
    """The settings, with defaults for those without effect: of a phase without a budget, and epochs beside steps."""
    phases = {name: getattr(settings, name) for name in ("pretraining", "training")}
    acting = {
        name: replace(loop, epochs=0.0) if loop.steps else loop if loop.epochs else LoopConfig()
        for name, loop in phases.items()
    }
    return replace(settings, **acting)


def settings_of(options: Sequence[str]) -> train.Settings:
    """The settings that a run's options ask for. Raises UserError where they cannot be together."""
    seeds = [option for option in options if option.startswith("--seed=")]
    settings = settings_for_any_seed(tuple(option for option in options if option not in seeds), step_cap())
    return replace(settings, seed=int(seeds[-1].removeprefix("--seed="))) if seeds else settings


@cache
def settings_for_any_seed(options: tuple[str, ...], cap: int) -> train.Settings:
    """The settings of the options for any seed, read once for all seeds. `cap`: the step limit of a trial."""
    return read_training_command(train.Settings, [*options, "--run=none"], "")[0]


@dataclass(frozen=True)
class Code:
    """What the runs of a suite import: one hash for all rows, though a row may import what another does not."""

    hash: str
    files: tuple[str, ...]  # relative to the root


def code_of(trials: Iterable[Trial]) -> Code:
    """The code of a suite, from a run of each row. Modules that a run imports late are imported here, before it."""
    runs = [run for trial in trials for run in (trial.network, trial.teacher, trial) if run is not None]
    for settings in (settings_of(run.options) for run in runs):
        open_source(settings.corpus, settings.data, settings.seed, training_tests=False)
        if settings.data.shards:  # what reading the corpus imports, which may be still to be built
            for module in READ_SHARDS:
                importlib.import_module(module)
        # Also of a run that only pretrains: its recipe's.
        import_objectives(settings.training.objectives, settings.strategies.auxiliary.task)
        if settings.pretrains:
            import_objectives(settings.pretraining.objectives)
        if settings.strategies != StrategiesConfig():  # the run imports those that are on, when it begins with them
            for module in pkgutil.iter_modules(strategies.__path__, f"{strategies.__name__}."):
                importlib.import_module(module.name)
    files = imported_files(ROOT)
    return Code(code_hash(ROOT, files), tuple(file.relative_to(ROOT.resolve()).as_posix() for file in files))


def code_of_suite(suite: Suite) -> Code:
    """The code of a suite, from all rows that are possible. Raises UserError where the base is not."""
    trials = [make_trial(suite, BASE_ROW, seeds_of(suite, BASE_ROW)[0])]
    for row in rows_of(suite):
        with contextlib.suppress(UserError):  # the plan says why
            trials.append(make_trial(suite, row, seeds_of(suite, row)[0]))
    return code_of(trials)


@dataclass
class Plan:
    """What a suite asks for, as far as it can be known."""

    trials: list[Trial]  # tuning before what it decides
    refused: dict[str, str]  # row -> why it cannot be


def make_plan(
    suite: Suite, lines: Sequence[ResultLine], codes: Collection[str], seeds: int = 0, only: Sequence[str] = ()
) -> Plan:
    """Every run of the chosen rows, or of all rows where none is chosen. A row that is not tuned yet has tuning alone.

    `codes`: hashes of the code whose lines count. Raises UserError for a row that is not there.
    """
    rows = rows_of(suite)
    for row in only:
        if row not in rows:
            raise UserError(f"suite {suite.name}: there is no row {row!r}; its rows are {', '.join(rows)}")
    chosen = [row for row in rows if not only or row in only]
    check_seeds(suite, chosen, seeds)
    plan = Plan([], {})
    of_base = make_trial(suite, BASE_ROW, seeds_of(suite, BASE_ROW)[0]).request_hash
    for row in chosen:
        try:
            if reason := why_refused(suite, row, of_base):
                raise UserError(reason)
            plan.trials += trials_of(suite, row, lines, codes, seeds)
        except UserError as error:
            plan.refused[row] = str(error)
    plan.trials.sort(key=lambda trial: (not trial.tuning, trial.seed))  # seed by seed, so that rows fill together
    return plan


def check_seeds(suite: Suite, rows: Sequence[str], seeds: int) -> None:
    """Refuse more seeds than the suite gives a row: lines beyond them would not count. Raises UserError."""
    short = {row: len(seeds_of(suite, row)) for row in rows if len(seeds_of(suite, row)) < seeds}
    if short:
        said = ", ".join(f"{row} {n}" for row, n in short.items())
        raise UserError(
            f"--seeds {seeds}: suite {suite.name} gives fewer to some rows ({said}); ask for fewer, for other --rows, "
            f'or write seeds={{"{next(iter(short))}": {seeds}}} into a suite of your own'
        )


def why_refused(suite: Suite, row: str, of_base: str) -> str:
    """The reason why a row cannot be run beside the base, whose hash is `of_base`; an empty text where it can."""
    try:
        request_hash = make_trial(suite, row, seeds_of(suite, BASE_ROW)[0]).request_hash
    except UserError as error:
        return str(error)
    return CHANGES_NOTHING if row != BASE_ROW and request_hash == of_base else ""


def refused_rows(suite: Suite, lines: Iterable[Record]) -> dict[str, str]:
    """Row -> why it cannot be run, for rows without lines in a suite that has some. Such rows count nowhere."""
    known = {line.row for line in lines if line.suite == suite.name}
    rows = [row for row in rows_of(suite) if row not in known]
    if not known or not rows:
        return {}
    try:
        of_base = make_trial(suite, BASE_ROW, seeds_of(suite, BASE_ROW)[0]).request_hash
    except UserError:  # whatever is wrong with the base is no row's fault
        return {}
    return {row: reason for row in rows if (reason := why_refused(suite, row, of_base))}


def trials_of(suite: Suite, row: str, lines: Sequence[ResultLine], codes: Collection[str], seeds: int) -> list[Trial]:
    """The runs of one row."""
    tuning = [
        make_trial(suite, row, TUNING_SEED, {setting: value}, tuning=True)
        for setting, values in suite.tuned.items()
        for value in values
    ]
    tuned = best_values(tuning, lines, codes)
    if tuning and tuned is None:
        return tuning
    return [*tuning, *(make_trial(suite, row, seed, tuned) for seed in seeds_of(suite, row, seeds))]


def best_values(
    tuning: Sequence[Trial], lines: Sequence[ResultLine], codes: Collection[str]
) -> dict[str, Any] | None:
    """Each tuned setting at the value with the lowest held-out loss; None while a tuning run is missing."""
    found: dict[str, list[tuple[float, Any]]] = {}
    for trial in tuning:
        line = line_of(trial, lines, codes)
        loss = None if line is None else SUITE_METRICS["loss"].value_in(line)
        if line is None:
            return None
        ((setting, value),) = trial.tuned
        found.setdefault(setting, []).append((float("inf") if loss is None else loss, value))
    return {setting: min(tried, key=lambda pair: pair[0])[1] for setting, tried in found.items()}


def line_of(trial: Trial, lines: Iterable[ResultLine], codes: Collection[str]) -> ResultLine | None:
    """The line that a run has left under one of these codes; None where there is none.

    A line of its own suite is known by row, seed, tuned values and what the row means; one of another suite by all that
    was asked for.
    """
    for line in lines:
        if line.trial is None or line.code_hash not in codes:
            continue
        same = (line.trial.request_hash, line.seed, line.threads) == (trial.request_hash, trial.seed, 1)
        if same or stands_for(trial, line):
            return line
    return None


def stands_for(trial: Trial, line: ResultLine) -> bool:
    """Whether a line stands under this trial's own suite, row, seed and meaning."""
    there, wanted = line.trial, trial_marks(trial)
    return (
        (line.suite, line.row, line.seed) == (trial.suite, trial.row, trial.seed)
        and there is not None
        and (there.definition, there.tuned, there.tuning) == (wanted.definition, wanted.tuned, wanted.tuning)
    )


def shared_line(trial: Trial, line: ResultLine) -> ResultLine:
    """The line of a run that another suite has made, as a line of this one."""
    made_for = (line.trial.made_for if line.trial is not None else None) or line.suite
    marks = replace(trial_marks(trial), made_for=made_for)
    return replace(line, suite=trial.suite, row=trial.row, trial=marks)


def trial_marks(trial: Trial) -> TrialMarks:
    """What a result line says of the trial beside the run's own facts."""
    return TrialMarks(
        request_hash=trial.request_hash, definition=trial.definition, tuned=in_first_names(dict(trial.tuned)),
        tuning=trial.tuning,
    )  # fmt: skip


def estimated_seconds(trial: Trial, lines: Sequence[ResultLine]) -> float | None:
    """The seconds that a run will take, estimated from lines of its row, the base, or the suite; None without any."""
    steps = int(next(word for word in trial.options if word.startswith("--training.steps=")).partition("=")[2])
    known = [line for line in lines if line.suite == trial.suite and line.wall_seconds]
    of_row = [line for line in known if line.row == trial.row] or [line for line in known if line.row == BASE_ROW]
    rates = [line.wall_seconds / line.budget["steps"] for line in of_row or known]
    return median(rates) * steps if rates else None
