"""Run what a suite of training runs still lacks, and say what came out: `experiments/suites/` has one file a suite.

    python -m experiments.ablate pieces                       every run that is missing, then the table and the plot
    python -m experiments.ablate pieces --dry_run             what would be run, what cannot be, and how long it takes
    python -m experiments.ablate pieces --seeds 2 --rows base "one head"
    python -m experiments.ablate pieces --jobs 0              the table alone
    python -m experiments.ablate pieces --prove               lines of older code count, if it computes the same bits
    python -m experiments.ablate django --prove               the same of single runs: django, django_1000, benchmarks

Two runs go on at once, one thread each, so no time that they take is a result. A finished run leaves a line in
docs/results/SUITE.jsonl and is not made again; one that was stopped goes on from its checkpoint. The command may be
started several times at once, on one machine or on one file system.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.laboratory import tables
from experiments.laboratory.analysis import Analysis, analyse
from experiments.laboratory.counting import codes_that_count, codes_that_count_as
from experiments.laboratory.plan import (
    Code,
    Plan,
    Trial,
    code_of_suite,
    estimated_seconds,
    line_of,
    make_plan,
    make_trial,
    shared_line,
    stands_for,
)
from experiments.laboratory.plots import plot_suite
from experiments.laboratory.proof import provable_lines, provable_of_suite, prove
from experiments.laboratory.runner import run_all, seconds_in_words
from experiments.laboratory.suite import BASE_ROW, Suite, load_suite, seeds_of
from experiments.laboratory.suite import names as suite_names
from experiments.laboratory.worker import Places
from experiments.record.cells import as_text
from experiments.record.cells import table as markdown
from experiments.record.lines import append_line, read_suite, read_suites, said_of_codes
from experiments.record.measurement import ROOT
from experiments.record.records import Record, ResultLine, figures, runs, stored_line, verdicts
from system.atomic_files import write_atomically
from system.cache import cache_folder
from system.errors import UserError
from system.options import parse, run_and_report
from system.trial import step_cap


@dataclass(frozen=True)
class Settings:
    """What is run, and where."""

    suite: Annotated[str, tyro.conf.Positional]  # a file of experiments/suites; to prove, of docs/results
    seeds: int = 0  # only the first so many seeds of each row; 0: all (10 of the base, 5 of the others)
    rows: tuple[str, ...] = ()  # only these rows; empty: all
    jobs: int = 2  # runs at once, one thread each; 0: none, only the table
    dry_run: bool = False  # list the runs and leave
    again: bool = False  # make every run with today's code, whatever earlier code has made
    prove: bool = False  # run older code beside today's; where all bits are equal, its lines count
    run_untrusted: bool = False  # to prove benchmarks: run the programs of MBPP; there is no sandbox yet
    runs: Path = ROOT / "runs" / "ablate"  # where run folders, tables and logs lie
    results: Path = ROOT / "docs" / "results"  # where the lines lie


def main(arguments: list[str]) -> int:
    """Make the plan, run what is missing, and show the tables."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.ablate")
    for name in ("seeds", "jobs"):
        if getattr(settings, name) < 0:
            raise UserError(f"--{name} {getattr(settings, name)} must be at least 0")

    if settings.prove:
        add_proofs(settings)
        return 0
    if settings.dry_run and is_no_suite(settings):
        show_codes(settings.suite, read_suite(settings.results, settings.suite))
        return 0
    suite = load_suite(settings.suite)

    with tempfile.TemporaryDirectory() as trial:
        results = settings.results
        if step_cap():
            print(f"CI_STEPS={step_cap()}: a trial of few steps, its lines are not kept", file=sys.stderr)
            results = Path(trial)
        if settings.dry_run:
            show_plan(suite, settings, results)
            return 0
        failed = make_runs(suite, settings, results) if settings.jobs else {}
        show_analysis(analyse(suite, read_suite(results, suite.name)), settings.runs / suite.name)

    for name, said in failed.items():
        print(f"failed: {name}: {said}", file=sys.stderr)
    return 1 if failed else 0


def add_proofs(settings: Settings) -> None:
    """Write down which older lines count as today's, or where today's code parts from theirs. Raises UserError."""
    name = settings.suite
    if is_no_suite(settings):
        lines = read_suite(settings.results, name)
        parts = provable_lines(name, lines, settings.run_untrusted)
    else:
        suite = load_suite(settings.suite)
        name, lines = suite.name, read_suite(settings.results, suite.name)
        known_as = str(Path(settings.suite).resolve()) if settings.suite.endswith(".py") else name
        parts = provable_of_suite(suite, known_as, lines)
    proved = False
    for line in prove(parts, lines, settings.runs.resolve() / "proofs" / name):
        append_line(settings.results, {"suite": name, **line})
        print(line["reason"])
        proved = True
    if not proved:
        print(f"{name}: nothing to prove; its lines are today's code's, or a proof speaks of them already")


def is_no_suite(settings: Settings) -> bool:
    """Whether the name is that of recorded lines which no suite has asked for: django, django_1000, benchmarks."""
    return settings.suite not in suite_names() and (settings.results / f"{settings.suite}.jsonl").is_file()


def show_codes(name: str, lines: list[Record]) -> None:
    """Print what proofs say of each code that has made lines of no suite."""
    for code, count in Counter(line.code_hash for line in figures(lines) if line.code_hash).items():
        said = said_of_codes(lines, [code]) or ["No proof speaks of it; --prove makes one."]
        print(f"{name}, {count} lines of code {code}: {said[0]}")


@dataclass(frozen=True)
class Missing:
    """What a suite asks for, and what of it has no line yet."""

    plan: Plan
    code: str  # as which lines count
    runs: list[Trial]
    shared: list[ResultLine]  # lines that other rows or suites have of its runs


def find_missing(suite: Suite, settings: Settings, results: Path, code: Code) -> Missing:
    """The plan and the runs that it lacks. Where earlier code has made the suite complete, it lacks none."""
    lines = [line for of_suite in read_suites(results).values() for line in of_suite]
    made = runs(lines)
    counted, codes = codes_that_count(suite, lines, code.hash)
    if settings.again:
        counted, codes = code.hash, {code.hash}
    plan = make_plan(suite, made, codes, settings.seeds, settings.rows)
    missing, shared = [], []
    for trial in plan.trials:
        line = line_of(trial, made, codes)
        if line is None:
            missing.append(trial)
        elif not any(stands_for(trial, other) and other.code_hash in codes for other in made):
            shared.append(shared_line(trial, line))
    return Missing(plan, counted, missing, shared)


def make_runs(suite: Suite, settings: Settings, results: Path) -> dict[str, str]:
    """Run what is missing, and return what failed: name -> reason. Tuning comes first, as it decides the rest."""
    failed: dict[str, str] = {}
    code = code_of_suite(suite)
    places = Places(results.resolve(), settings.runs.resolve(), code)
    while True:
        found = find_missing(suite, settings, results, code)
        show_refused(found.plan)
        for line in found.shared:
            append_line(results, stored_line(line))
        missing = [trial for trial in found.runs if trial.name not in failed]
        if not missing:
            if found.code != code.hash:
                print(f"{suite.name} is {complete_in_words(found.code, code)}", file=sys.stderr)
            return failed
        failed |= run_all(missing, places, settings.jobs, partial(has_line, places))


def has_line(places: Places, trial: Trial) -> bool:
    """Whether a run has left its line."""
    return line_of(trial, runs(read_suite(places.results, trial.suite)), {places.code.hash}) is not None


def show_plan(suite: Suite, settings: Settings, results: Path) -> None:
    """Print the runs that are missing, how long each takes, and the rows that cannot be run."""
    code = code_of_suite(suite)
    found = find_missing(suite, settings, results, code)
    missing, lines = found.runs, read_suite(results, suite.name)
    seconds = [estimated_seconds(trial, runs(lines)) for trial in missing]
    base = make_trial(suite, BASE_ROW, seeds_of(suite, BASE_ROW)[0])

    rows = [
        [trial.name, "unknown" if took is None else seconds_in_words(took),
         " ".join(option for option in all_options(trial) if option not in all_options(base))]
        for trial, took in zip(missing, seconds, strict=True)
    ]  # fmt: skip

    if base.network is not None:
        print(f"the base's network: python train.py {' '.join(base.network.options)}")
    print(f"the base: python train.py {' '.join(base.options)}\n")
    if rows:
        print(as_text(["run", "time", "options that are not the base's"], rows))

    left = sum(took for took in seconds if took is not None) / max(1, settings.jobs)
    about = f"about {seconds_in_words(left)}" if None not in seconds else "unknown until the base has run once"
    done = len(found.plan.trials) - len(missing)
    print(f"{suite.name}, code {code.hash}: {done} runs done, {len(missing)} left{f', {about}' if missing else ''}")

    if found.code != code.hash:
        print(f"{complete_in_words(found.code, code)}: {why_not_counted(found.code, code, lines)}")
    elif missing:
        others = Counter(line.code_hash for line in runs(lines) if line.code_hash != code.hash)
        for other, count in others.items():
            if other not in codes_that_count_as(code.hash, lines):
                why = why_not_counted(other, code, lines)
                print(f"{count} lines of code {other} do not count beside runs of today's: {why}")
    show_refused(found.plan)
    if any(is_on_mined(trial) for trial in missing) and not cache_folder("corpora").is_dir():
        print("the mined corpus is not built yet; the first of these runs builds it, or `python -m data build`")


def is_on_mined(trial: Trial) -> bool:
    """Whether a run, or the one whose network it begins with, needs the mined corpus."""
    return any("--data.shards=mined" in run.options for run in (trial, trial.network) if run is not None)


def why_not_counted(older: str, code: Code, lines: list[Record]) -> str:
    """The reason why lines of older code do not count as today's."""
    said = [line.reason for line in verdicts(lines) if (line.rejects, line.newer) == (older, code.hash)]
    return said[-1] if said else "nothing proves that it computes the same (--prove looks)"


def complete_in_words(earlier: str, code: Code) -> str:
    """The sentence about a suite that earlier code has made complete, so that no run of it is made."""
    return (
        f"complete, made by code {earlier}; today's is {code.hash}, so its runs are not mixed with new ones "
        "(--again makes all of them anew)"
    )


def all_options(trial: Trial) -> list[str]:
    """The options of a run and of the run whose network it begins with, each of them once."""
    return list(dict.fromkeys([*(trial.network.options if trial.network else ()), *trial.options]))


def show_refused(plan: Plan) -> None:
    """Print the rows whose settings cannot be combined, with the reason."""
    for row, reason in plan.refused.items():
        print(f"not possible: {row}: {reason}", file=sys.stderr)


def show_analysis(analysis: Analysis, folder: Path) -> None:
    """Print the table; write it as Markdown, LaTeX and CSV with the plot and the provenance."""
    head, rows, notes = tables.header(analysis), tables.table_rows(analysis), tables.notes(analysis)
    print(f"\n{analysis.suite.title}\n\n{as_text(head, rows)}\n" + "\n".join(notes))
    for claim in analysis.suite.claims:
        print(f"{analysis.answer(claim)}: {claim.says} ({claim.source})")
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "table.md": markdown(head, rows) + "\n" + "\n\n".join(notes) + "\n",
        "table.tex": tables.as_latex(head, rows),
        "table.csv": tables.as_csv(head, rows),
        "provenance.json": json.dumps(provenance(analysis), indent=2) + "\n",
    }
    for name, text in files.items():
        write_atomically(folder / name, text)
    plot_suite(analysis, folder / "plot.svg")
    print(f"written: {', '.join([*files, 'plot.svg'])} in {folder}")


def provenance(analysis: Analysis) -> dict[str, Any]:
    """The facts from which the table was made: code, runs, versions."""
    lines = [line for of_row in analysis.lines.values() for line in of_row]
    facts = ("row", "seed", "command", "asked", "data_hash", "commit", "machine")
    return {
        "suite": analysis.suite.name, "code_hash": analysis.code,
        "accepted": [stored_line(verdict) for verdict in analysis.accepted],
        "runs": [{name: stored_line(line).get(name) for name in facts} for line in lines],
        "versions": [dict(found) for found in {tuple(sorted(line.versions.items())) for line in lines}],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
