"""What a proof makes again: the runs behind result lines of one older code, as any tree of the code spells them.

Three kinds of lines have such runs: a suite's, single runs (docs/results/django.jsonl) and the benchmarks' figures.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from experiments.benchmarks.recipes import BENCHMARKS
from experiments.laboratory.plan import NOT_REQUESTED, options_of
from experiments.record.compact_lines import defaults
from experiments.record.records import Figure, Measured, ResultLine
from experiments.record.tree_runs import Command, make, without
from experiments.record.trees import ROOT, Starter, Tree, TreeError, ask
from system.atomic_files import read_json
from system.errors import UserError
from system.options import spelled
from training.run.old_settings import flat

OF_A_PLACE = ("--run", "--data.path", "--device", "--threads", "--json")  # options that do not say what is computed
SUITE_RUNS = """
import json, sys
from experiments.laboratory.plan import code_of_suite, make_trial
from experiments.laboratory.suite import load_suite

def told(trial):
    if trial is None:
        return None
    teacher = getattr(trial, "teacher", None)  # early trees know no teachers
    return {"options": trial.options, "network": told(trial.network), "teacher": told(teacher)}

suite, samples = load_suite(sys.argv[1]), json.loads(sys.argv[2])
runs = [told(make_trial(suite, row, seed, tuned)) for row, seed, tuned in samples]
print(json.dumps({"code": code_of_suite(suite).hash, "runs": runs}))
"""
RECIPES = """
import json
from experiments.benchmarks.recipes import BENCHMARKS

print(json.dumps({
    name: {"stages": {stage.name: stage.options for stage in one.stages}, "scored": one.scored, "scoring": one.scoring}
    for name, one in BENCHMARKS.items()
}))
"""


@dataclass(frozen=True)
class Sample:
    """One run that is made in both trees."""

    row: str
    seed: int = 0
    tuned: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False  # all its steps
    scored: bool = False  # the scorers of both trees are given its corpus's lines
    benchmark: str = ""  # whose own columns are scored too


@dataclass(frozen=True)
class Provable:
    """Lines of one code, and how their runs are made again."""

    name: str  # of their file in docs/results; of a suite of the user's, its Python file
    code: str
    commits: tuple[str, ...]  # that the lines name, the most frequent first
    samples: tuple[Sample, ...]
    commands_in: Callable[[Tree], list[Command]]  # of the samples; raises TreeError
    code_in: Callable[[Starter, Tree, Path], str]  # the code that these runs have in a tree; what it makes, in a folder
    scoring: tuple[str, ...] = ()  # more options of eval.py, where it scores given predictions


def of_suite(name: str, code: str, lines: Sequence[ResultLine]) -> Provable:
    """A suite's lines. `name`: as `load_suite` knows it."""
    samples = samples_of(lines)
    rows = json.dumps([(one.row, one.seed, one.tuned) for one in samples])

    def commands_in(tree: Tree) -> list[Command]:
        return [command_of_trial(run) for run in ask(tree, SUITE_RUNS, name, rows)["runs"]]

    def code_in(starter: Starter, tree: Tree, folder: Path) -> str:
        return ask(tree, SUITE_RUNS, name, rows)["code"]  # with the rows: a tree may know the suite and not yet them

    return Provable(name, code, commits_of(lines), samples, commands_in, code_in)


def command_of_trial(told: Mapping[str, Any]) -> Command:
    """A run of a suite with the runs whose folders it names, as a tree tells them."""
    needed = {"init.from": told["network"], "strategies.teacher.run": told["teacher"]}
    needs = {setting: command_of_trial(run) for setting, run in needed.items() if run is not None}
    return Command(tuple(told["options"]), needs)


def of_single_runs(name: str, code: str, lines: Sequence[ResultLine]) -> Provable:
    """Lines of runs that no suite has asked for: older trees know their commands, this one their settings."""
    samples = samples_of(lines)
    of_sample = [next(line for line in lines if (line.row, line.seed) == (one.row, one.seed)) for one in samples]

    def commands_in(tree: Tree) -> list[Command]:
        spell = options_today if tree.root == ROOT else options_then
        return [Command(spell(line)) for line in of_sample]

    return Provable(name, code, commits_of(lines), samples, commands_in, code_of_sample(commands_in))


def options_then(line: ResultLine) -> tuple[str, ...]:
    """The options of a recorded command, without those that name a place."""
    options = shlex.split(line.command)[2:]  # behind `python train.py`
    for name in OF_A_PLACE:
        options = without(options, name)
    return tuple(options)


def options_today(line: ResultLine) -> tuple[str, ...]:
    """The options that give a recorded run's settings today, over no recipe."""
    default = flat(defaults())
    told = {
        spelled(name): value for name, value in flat(line.config).items()
        if name not in NOT_REQUESTED and json.dumps(value) != json.dumps(default.get(name))
    }  # fmt: skip
    return options_of({"corpus": line.config["corpus"], **told}, line.seed)


def of_benchmarks(
    name: str, code: str, lines: Sequence[Measured], run_untrusted: bool, whole: bool = False
) -> Provable:
    """Figures of benchmarks: their stages are the runs, each tree's as its own recipe has them. Raises UserError.

    run_untrusted: the user's word for running the programs of a corpus, which MBPP's columns do. whole: one stage is
    run with all its steps at the end.
    """
    minutes = {line.row.partition(",")[0]: line.minutes for line in lines}
    names = sorted(minutes, key=lambda one: minutes[one])
    untrusted = [one for one in names if "--run_untrusted" in BENCHMARKS[one].scoring]
    if untrusted and not run_untrusted:
        raise UserError(f"the scorers of {untrusted[0]} run the corpus's programs, without a sandbox; add "
                        "--run_untrusted where that is all right")  # fmt: skip
    samples = [sample for one in names for sample in stages_to_run(one)]
    first_scored = next(number for number, sample in enumerate(samples) if sample.scored)
    if whole:
        samples.append(replace(samples[first_scored], whole=True, scored=False))

    def commands_in(tree: Tree) -> list[Command]:
        recipes = ask(tree, RECIPES)
        return [command_of_stage(tree, recipes, *sample.row.split(", ")) for sample in samples]

    code_in = code_of_sample(commands_in, first_scored)
    scoring = ("--run_untrusted",) if untrusted else ()
    return Provable(name, code, commits_of(lines), tuple(samples), commands_in, code_in, scoring)


def stages_to_run(name: str) -> list[Sample]:
    """A benchmark's stages, the one that writes the code last, without those that others begin with."""
    recipe = BENCHMARKS[name]
    needed = {stage.name for stage in recipe.stages if any(f"{{{stage.name}}}" in one.options for one in recipe.stages)}
    stages = sorted(recipe.stages, key=lambda stage: stage.name == recipe.scored)
    return [
        Sample(f"{name}, {stage.name}", scored=stage.name == recipe.scored, benchmark=name)
        for stage in stages if stage.name not in needed
    ]  # fmt: skip


def command_of_stage(tree: Tree, recipes: Mapping[str, Mapping[str, Any]], name: str, stage: str) -> Command:
    """A stage with those that it begins with. Raises TreeError where a tree's recipe has no such stage."""
    recipe = recipes.get(name, {"stages": {}})
    if stage not in recipe["stages"]:
        raise TreeError(f"the recipe of {name} at {tree.name} has no stage {stage}")
    options = [name, *recipe["stages"][stage]]
    needs = {
        setting.removeprefix("--"): command_of_stage(tree, recipes, name, word.strip("{}"))
        for setting, word in pairwise(options) if word.startswith("{")
    }  # fmt: skip
    return Command(tuple(options), needs, tuple(recipe["scoring"]) if stage == recipe["scored"] else ())


def code_of_sample(
    commands_in: Callable[[Tree], list[Command]], number: int = 0
) -> Callable[[Starter, Tree, Path], str]:
    """What finds the code of runs that only they themselves know: by one step of a sample."""

    def code_in(starter: Starter, tree: Tree, folder: Path) -> str:
        make(starter, tree, commands_in(tree)[number], 1, folder)
        return read_json(folder / "run" / "environment.json")["code_hash"]

    return code_in


def samples_of(lines: Iterable[ResultLine]) -> tuple[Sample, ...]:
    """The first lines of the shortest row, of a middle one and of the longest; the shortest is run whole at the end.

    Where rows are on other corpora too, the shortest row of each is among them.
    """
    of_row: dict[str, list[ResultLine]] = {}
    for line in lines:
        of_row.setdefault(line.row, []).append(line)
    first = [found[0] for found in sorted(of_row.values(), key=median_seconds)]
    of_corpus = {corpus_of(line): line for line in reversed(first)}
    chosen = [first[0], first[len(first) // 2], first[-1], *of_corpus.values()]
    samples = [
        Sample(line.row, line.seed, line.trial.tuned if line.trial else {}, scored=of_corpus[corpus_of(line)] is line)
        for line in {line.row: line for line in chosen}.values()
    ]
    return (*samples, replace(samples[0], whole=True, scored=False))


def median_seconds(lines: Iterable[ResultLine]) -> float:
    """What a row's runs have taken."""
    return median(line.budget["seconds"] for line in lines)


def corpus_of(line: ResultLine) -> str:
    """What a run's line was made on."""
    return line.config.get("corpus", "")


def commits_of(lines: Iterable[Figure]) -> tuple[str, ...]:
    """The commits that the lines name, the most frequent first; files may have differed from them."""
    named = [line.commit.removesuffix("+changes") for line in lines if line.commit]
    return tuple(sorted(dict.fromkeys(named), key=named.count, reverse=True))
