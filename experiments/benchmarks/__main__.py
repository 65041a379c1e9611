"""The project's result on a published benchmark, from nothing, beside what others have published.

    python -m experiments.benchmarks django           three writers, a reverse model, scores: 100 minutes of two cores
    python -m experiments.benchmarks hearthstone      also nl2bash, conala; each goes on where it was stopped
    python -m experiments.benchmarks mbpp --run_untrusted       runs the programs that the network writes: no sandbox
    python -m experiments.benchmarks django --json FILE         rows for `python -m experiments.results measured`

The predictions stand in predictions.jsonl and report.html of the run that writes the code.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

import train
from data.splits import read_splits
from evaluation.finished_run import read_json_lines
from experiments.benchmarks.bash_grammar import grammar_template
from experiments.benchmarks.published import NOTES
from experiments.benchmarks.recipes import BENCHMARKS, Benchmark
from experiments.benchmarks.tables import result_table, score_rows
from experiments.record.child import STOPPED, run_child, run_side_by_side
from experiments.record.compact_lines import config_hash, settings_that_count
from experiments.record.measurement import ROOT, MeasuredRow, check_writable, facts_of, measured_row, write_rows
from experiments.record.records import record_of
from system.atomic_files import read_json
from system.bounds import check_bounds
from system.errors import UserError
from system.options import parse, run_and_report
from training.command_line import read_training_command
from training.run.code_hash import code_hash
from training.run.folder import is_finished, is_run, read_config, read_config_values

CORES = 2  # the machine that the budget of training time is given for


@dataclass(frozen=True)
class Settings:
    """Which benchmark, and where its runs lie."""

    name: Annotated[Literal["django", "hearthstone", "nl2bash", "conala", "mbpp"], tyro.conf.Positional]
    run: str = ""  # folder of its runs; empty: runs/benchmark-NAME
    data_path: str = ""  # folder of the corpus; empty: the cache, where `python -m data fetch` puts it
    run_untrusted: bool = False  # mbpp: run the programs that the network writes; there is no sandbox yet
    json: Path | None = None  # file for the rows

    def __post_init__(self) -> None:
        check_bounds(self)


def main(arguments: list[str]) -> int:
    """Make the runs that are missing, score them, and print the scores beside the published ones."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.benchmarks")
    check_writable(settings.json)
    benchmark = BENCHMARKS[settings.name]
    check_ready(settings, benchmark)
    folder = Path(settings.run or f"runs/benchmark-{settings.name}").absolute()
    path = str(Path(settings.data_path).absolute()) if settings.data_path else ""
    status = make(settings.name, benchmark, folder, path)
    if status:
        return status
    facts = facts_of(environment(folder / benchmark.scored)) | identity_of(folder / benchmark.scored)
    words = ["experiments.benchmarks", *arguments]
    measured = measure(settings.name, benchmark, folder, path)
    rows = [measured_row("benchmarks", row.pop("row"), words, facts, **row) for row in measured]
    figures = [record_of({"suite": "benchmarks", **row}) for row in rows]
    print(f"\n{result_table(settings.name, figures)}\n{NOTES[settings.name]}")
    print(about(benchmark, figures[0].minutes, figures[0].parameters))
    print(f"predictions: {folder / benchmark.scored / 'predictions.jsonl'}, report.html beside them")
    write_rows(settings.json, rows)
    return 0


def check_ready(settings: Settings, benchmark: Benchmark) -> None:
    """Refuse at once what would fail after an hour of training. Raises UserError."""
    if "--run_untrusted" in benchmark.scoring and not settings.run_untrusted:
        raise UserError(
            f"{settings.name} is scored by running the programs that the network writes, and there is no sandbox yet; "
            "add --run_untrusted where that is all right"
        )
    if settings.name == "nl2bash":
        grammar_template("ls")


def make(name: str, benchmark: Benchmark, folder: Path, path: str) -> int:
    """Make the runs that are not finished from the data in `path`, score the last one, return the exit status.

    Raises UserError.

    Runs that need no other are made first, several of them side by side, one on each core: a small network on one
    thread is more than half as fast as on two.
    """
    places = {stage.name: str(folder / stage.name) for stage in benchmark.stages}
    alone = [stage for stage in benchmark.stages if not stage.needs]
    groups = [alone, *([stage] for stage in benchmark.stages if stage.needs)]
    data = ["--data.path", path] if path else []
    for group in groups:
        threads = ("--threads", "1") if len(group) > 1 else ()
        commands = {}
        for stage in group:
            run, options = folder / stage.name, [name, *fill_places((*stage.options, *threads), places)]
            if is_run(run):
                check_settings(run, options)
            print(f"{stage.name}: {run}{' is finished' if is_finished(run) else ''}", flush=True)
            if not is_finished(run):
                more = ["--resume"] if is_run(run) else [*options, *data]
                commands[stage.name] = python("train.py", "--run", str(run), *more)
        status = call(commands)
        if status:
            return status
    scoring = [*fill_places(benchmark.scoring, places), *(["--data_path", path] if path else [])]
    return call({"scores": python("eval.py", "--run", places[benchmark.scored], *scoring)})


def check_settings(run: Path, options: list[str]) -> None:
    """Refuse a run that an older recipe has made, or begun. Raises UserError."""
    made_settings, _ = read_config(run, train.Settings)
    if comparable(made_settings) != comparable(read_training_command(train.Settings, options, "")[0]):
        raise UserError(f"{run} was made with other settings than today's recipe; choose another --run, or delete it")


def comparable(settings: train.Settings) -> train.Settings:
    """Settings without what names a place, or follows from the data."""
    return replace(
        settings, run="", data=replace(settings.data, path=""), model=replace(settings.model, vocab_size=1)
    )


def fill_places(options: tuple[str, ...], places: dict[str, str]) -> list[str]:
    """Options with the folders of the stages that they name."""
    return [option.format(**places) for option in options]


def python(script: str, *options: str) -> list[str]:
    """The command that runs a script without buffering what it prints, so that a pipe has it at once."""
    return [sys.executable, "-u", script, *options]


def call(commands: dict[str, list[str]]) -> int:
    """Run commands of train.py or eval.py; STOPPED where one was interrupted. Raises UserError where one failed."""
    if len(commands) > 1:
        statuses = run_side_by_side(commands, ROOT, CORES)
    else:
        statuses = {name: run_child(command, ROOT) for name, command in commands.items()}
    for name, status in statuses.items():
        if status not in (0, STOPPED):
            raise UserError(f"{' '.join(commands[name][2:])} failed; the lines above say why")
    return max(statuses.values(), default=0)


def measure(name: str, benchmark: Benchmark, folder: Path, path: str) -> list[MeasuredRow]:
    """A row for each split and column: what was scored, the figure with its interval, time and size."""
    run = folder / benchmark.scored
    settings, _ = read_config(run, train.Settings)
    data = replace(settings.data, path=path) if path else settings.data
    splits = read_splits(settings.corpus, data, settings.seed)
    lines = read_json_lines(run / "predictions.jsonl")
    predictions = {(line["split"], line["id"]): line["prediction"] for line in lines}
    minutes = sum(two_core_minutes(folder / stage.name) for stage in benchmark.stages)
    sizes = [environment(folder / stage)["parameters"] for stage in benchmark.decoding]
    size = {"minutes": round(minutes, 1), "parameters": sum(sizes)}
    return [row | size for row in score_rows(name, splits, predictions)]


def two_core_minutes(run: Path) -> float:
    """What a run's training took, in minutes of both cores: half of its time where it had one of them."""
    return read_json(run / "budget.json")["seconds"] * environment(run)["threads"] / CORES / 60


def environment(run: Path) -> dict[str, Any]:
    """What a run recorded about the machine that made it."""
    return read_json(run / "environment.json")


def identity_of(run: Path) -> dict[str, Any]:
    """The hashes by which two results of one command differ: settings, data, seed, and the code that scores."""
    config = settings_that_count(read_config_values(run))
    scoring = [*Path(__file__).parent.glob("*.py"), *(ROOT / "evaluation").rglob("*.py")]
    found = environment(run)
    return {
        "config_hash_of_run": config_hash(config), "data_hash": found["data_hash"], "seed": found["seed"],
        "scored_by": code_hash(ROOT, scoring),
    }  # fmt: skip


def about(benchmark: Benchmark, minutes: float, parameters: int) -> str:
    """One sentence about the time and the size of the networks, each beside its limit."""
    allowed = f" of {benchmark.minutes:g}" if benchmark.minutes else ""
    room = f" of {benchmark.parameters / 1e6:g}" if benchmark.parameters else ""
    networks = f"networks in use: {parameters / 1e6:.1f}{room} M parameters"
    return f"training: {minutes:.1f}{allowed} minutes of {CORES} cores; {networks}"


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
