"""A proof that result lines of older code count: both codes, run on this machine, compute the same bits.

    python -m experiments.ablate SUITE --prove

The commit whose tree has the code of the lines stands in a worktree of git. A whole run of the suite's shortest row and
50 steps of two more are made there and here on one thread (the network that a run begins with, or its teacher, 50 steps
too), and losses, final weights and greedy outputs compared. What comes out is one line beside the suite's others, which
lets the older lines in, or says where the two codes part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from experiments.laboratory.counting import lines_that_count
from experiments.laboratory.suite import Suite
from experiments.record.compact_lines import Line
from experiments.record.differences import first_difference
from experiments.record.records import Record, ResultLine
from experiments.record.trees import ROOT, Computed, Starter, Tree, git, last_line, make_cache, train, tree_of
from system.errors import UserError
from training.run.old_settings import first_name

SHORT = 50  # steps of all runs but one
STEPS = ("--training.steps", "--pretraining.steps")
SHORT_LIMIT = 20  # lines of each split that a short run writes
NEAR = 30  # commits around those of the lines that are tried
CORPORA = ("django", "nl2bash", "conala", "hearthstone", "mbpp")
ASK = """
import json, sys
from experiments.laboratory.plan import code_of_suite, make_trial
from experiments.laboratory.suite import load_suite

def told(trial):
    return trial and {"options": trial.options, "network": told(trial.network), "teacher": told(trial.teacher)}

suite, asked = load_suite(sys.argv[1]), json.loads(sys.argv[2])
runs = [told(make_trial(suite, row, seed, tuned)) for row, seed, tuned in asked]
print(json.dumps({"code": code_of_suite(suite).hash, "runs": runs}))
"""


@dataclass(frozen=True)
class Asked:
    """One run that is made in both trees."""

    row: str
    seed: int
    tuned: dict[str, Any]
    whole: bool = False


def prove(suite: Suite, name: str, lines: Sequence[Record], today: str) -> Iterator[Line]:
    """For each older code whose lines count: the line that lets them in, or says where today's code parts from it.

    `name`: as `load_suite` knows the suite. Raises UserError where no commit has the code.
    """
    _, counted, _ = lines_that_count(suite, lines)
    for code in dict.fromkeys(line.code_hash for line in counted):
        if code != today:
            of_code = [line for line in counted if line.code_hash == code]
            yield {"suite": suite.name, **proof_of(code, name, of_code, today)}


def proof_of(code: str, name: str, lines: Sequence[ResultLine], today: str) -> Line:
    """The same for one code and its lines."""
    asked = rows_to_run(lines)
    with tempfile.TemporaryDirectory() as folder, Starter() as starter:
        here = Tree(ROOT, make_cache(Path(folder, "here"), CORPORA))
        there_cache = make_cache(Path(folder, "there"), CORPORA)
        commit = commit_of(code, name, commits_of(lines), there_cache, Path(folder))
        with tree_of(commit, Path(folder, "tree")) as root:
            there = Tree(root, there_cache, commit[:8])
            told = [ask(tree, name, asked)["runs"] for tree in (there, here)]
            facts, difference = [], ""
            for number, (one, *runs) in enumerate(zip(asked, *told, strict=True)):
                computed = [
                    compute(starter, tree, run, one.whole, Path(folder, f"{side}-{number}"))
                    for side, tree, run in zip(("there", "here"), (there, here), runs, strict=True)
                ]
                facts.append(facts_of(one, computed[1]))
                if difference := first_difference(*computed):
                    difference = f"{one.row}, seed {one.seed}: {difference}"
                    break
    return line_of_proof(name, code, today, commit, facts, difference)


def line_of_proof(name: str, code: str, today: str, commit: str, facts: list[Line], difference: str) -> Line:
    """What is written down beside the suite's runs."""
    runs = ", ".join(f"{fact['row']} ({fact['steps']:,} steps)" for fact in facts)
    said = {"rejects": code, "for": today, "reason": f"code {code} computes other bits: {difference}"}
    if not difference:
        said = {
            "accepts": code, "for": today,
            "reason": f"proven on one machine: losses, weights and outputs of {runs} are equal in every bit at commit "
            f"{commit[:8]} and here",
        }  # fmt: skip
    word = "differs from" if difference else "counts as"
    return {
        "row": f"code {code} {word} {today}", "command": f"python -m experiments.ablate {name} --prove",
        **said, "commit": commit, "runs": facts,
    }  # fmt: skip


def rows_to_run(lines: Iterable[ResultLine]) -> list[Asked]:
    """The first line of the shortest row, to be run whole, and of the longest and a middle one."""
    of_row: dict[str, list[ResultLine]] = {}
    for line in lines:
        of_row.setdefault(line.row, []).append(line)
    by_time = sorted(of_row.values(), key=lambda found: median(line.budget["seconds"] for line in found))
    first = [found[0] for found in by_time]
    chosen = [first[0], *(line for line in (first[-1], first[len(first) // 2]) if line is not first[0])]
    return [
        Asked(line.row, line.seed, line.trial.tuned, line is first[0])
        for line in {id(line): line for line in chosen}.values()
    ]


def commits_of(lines: Iterable[ResultLine]) -> list[str]:
    """The commits that the lines name, the most frequent first; files may have differed from them."""
    named = [line.commit.removesuffix("+changes") for line in lines if line.commit]
    return sorted(dict.fromkeys(named), key=named.count, reverse=True)


def commit_of(code: str, name: str, named: Sequence[str], cache: Path, folder: Path) -> str:
    """The commit whose tree has the suite's code: one that is named, or near to one. Raises UserError."""
    history = git(ROOT, "log", "--format=%H").stdout.split()
    near = sorted(
        (abs(place - history.index(commit)), place) for commit in named if commit in history
        for place in range(len(history))
    )  # fmt: skip
    tried = list(dict.fromkeys([*named, *(history[place] for distance, place in near if distance <= NEAR)]))
    for commit in tried:
        print(f"looking for code {code}: commit {commit[:8]}", file=sys.stderr)
        with tree_of(commit, folder / "candidate") as root:
            try:
                found = ask(Tree(root, cache, commit[:8]), name, [])["code"]
            except UserError:  # it may not know the suite yet
                continue
        if found == code:
            return commit
    raise UserError(f"no commit of {len(tried)} around the lines of {name} has code {code}; they stay earlier code's")


def ask(tree: Tree, name: str, asked: Sequence[Asked]) -> dict[str, Any]:
    """A tree's own words: the suite's code there, and the options of each run. Raises UserError."""
    rows = json.dumps([(one.row, one.seed, one.tuned) for one in asked])
    variables = os.environ | {"PYTHONPATH": str(tree.root), "XDG_CACHE_HOME": str(tree.cache.resolve())}
    done = subprocess.run(
        [sys.executable, "-c", ASK, name, rows], cwd=tree.root, env=variables, capture_output=True, text=True
    )
    if done.returncode:
        raise UserError(f"suite {name} at {tree.name}: {last_line(done.stderr)}")
    return json.loads(done.stdout.splitlines()[-1])


def compute(starter: Starter, tree: Tree, run: dict[str, Any], whole: bool, folder: Path) -> Computed:
    """What a run computes in a tree; what it begins with, or learns from, is made first. Raises TreeError."""
    folder.mkdir()
    words = list(run["options"]) if whole else shortened(run["options"])
    for part, setting in (("network", "init.from"), ("teacher", "strategies.teacher.run")):
        if run[part] is not None:
            compute(starter, tree, run[part], False, folder / part)
            words = with_folder(words, setting, folder / part / "run")
    return train(starter, tree, words, folder / "run")


def with_folder(words: Sequence[str], setting: str, folder: Path) -> list[str]:
    """The options with the folder in a setting that may have had another name in the tree that they are of."""
    names = [f"--{name}=" for name in (setting, first_name(setting))]
    option = next((name for name in names if any(word.startswith(name) for word in words)), names[0])
    return [*(word for word in words if not word.startswith(option)), f"{option}{folder}"]


def shortened(options: Sequence[str]) -> list[str]:
    """The options of a run of few steps that writes few lines; a phase without steps stays without."""
    pairs = [(word, *word.partition("=")[::2]) for word in options]
    words = [f"{name}={SHORT}" if name in STEPS and value != "0" else word for word, name, value in pairs]
    return [*words, f"--evaluation.limit={SHORT_LIMIT}"]


def facts_of(asked: Asked, computed: Computed) -> Line:
    """What a proof says of a run: how many losses were compared, the hash of the weights."""
    steps = len({(phase, step) for phase, step, name in computed.losses if name == "loss"})
    return {"row": asked.row, "seed": asked.seed, "steps": steps, "weights": computed.weights_hash[:16]}
