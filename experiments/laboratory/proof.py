"""A proof that result lines of older code count: both codes, run on this machine, compute the same bits.

    python -m experiments.ablate SUITE --prove
    python -m experiments.ablate django --prove          single runs; also django_1000, benchmarks

The commit whose tree has the code of the lines stands in a worktree of git. 50 steps of a short, a middle and a long
row are made there and here on one thread (the network that a run begins with, or its teacher, 50 steps too), and
losses, final weights and outputs compared; a benchmark's networks also write as its recipe has it, together and by
beam search. Then come the scores that both give to the same predictions (experiments/record/scorers.py), and a whole
run of the shortest row, of all benchmarks together one. The outcome is one line beside the others, which lets the older
lines in, or says where the two codes part.

Whoever is stopped goes on: runs stay in a folder until their proof is written down, and go on from their checkpoint.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.laboratory.counting import lines_that_count
from experiments.laboratory.provable import Provable, Sample, of_benchmarks, of_single_runs, of_suite
from experiments.laboratory.suite import Suite
from experiments.record.compact_lines import Line, without_place
from experiments.record.differences import difference_of_predictions, first_difference
from experiments.record.records import Figure, Record, ResultLine, figures, verdicts
from experiments.record.scorers import eval_in_copy, first_other_figure, given_predictions, scored_figures
from experiments.record.tree_runs import FEW_LINES, FEW_STEPS, Command, compute
from experiments.record.trees import (
    ROOT,
    Computed,
    Starter,
    Tree,
    git,
    make_cache,
    read_run,
    sigterm_as_exit,
    tree_of,
)
from system.atomic_files import write_atomically
from system.errors import UserError

NEAR = 30  # commits around those of the lines that are tried
CORPORA = ("django", "nl2bash", "conala", "hearthstone", "mbpp")
BENCHMARKS = "benchmarks"  # the file of their figures


@dataclass(frozen=True)
class Trees:
    """The tree of the older code and today's, and what runs their programs."""

    starter: Starter
    there: Tree
    here: Tree
    folder: Path  # where their runs lie

    @property
    def sides(self) -> tuple[tuple[str, Tree], tuple[str, Tree]]:
        """Both trees, with the name of each in the folder."""
        return ("there", self.there), ("here", self.here)


def provable_of_suite(suite: Suite, name: str, lines: Sequence[Record]) -> list[Provable]:
    """A suite's lines that count, code by code. `name`: as `load_suite` knows the suite."""
    _, counted, _ = lines_that_count(suite, lines)
    return [of_suite(name, code, of_code) for code, of_code in by_code(counted).items()]


def provable_lines(name: str, lines: Sequence[Record], run_untrusted: bool) -> list[Provable]:
    """Lines of no suite, code by code. Raises UserError where they are no runs."""
    codes = by_code(figures(lines))
    if name == BENCHMARKS:  # of all codes together one run is whole, as runs take an hour
        minutes = {code: min(line.minutes for line in of_code) for code, of_code in codes.items()}
        last = sorted(codes, key=lambda code: minutes[code], reverse=True)  # so that short proofs come first
        return [of_benchmarks(name, code, codes[code], run_untrusted, whole=code == last[-1]) for code in last]
    if not all(isinstance(line, ResultLine) for of_code in codes.values() for line in of_code):
        raise UserError(f"the lines of {name} are measured figures, no runs; nothing can be proved of them")
    return [of_single_runs(name, code, of_code) for code, of_code in codes.items()]


def by_code(lines: Iterable[Figure]) -> dict[str, list[Figure]]:
    """The hash of code -> its lines."""
    found: dict[str, list[Figure]] = {}
    for line in lines:
        found.setdefault(line.code_hash, []).append(line)
    return found


def prove(parts: Iterable[Provable], lines: Sequence[Record], folder: Path) -> Iterator[Line]:
    """For each older code: the line that lets its lines in, or says where today's code parts from it.

    What `lines` say already is not proved again. `folder`: where runs lie until all is proved. Raises UserError at the
    end where a code could not be proved: no commit has it, or a tree cannot make its runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    with sigterm_as_exit(), only_one_in(folder):
        here = Tree(ROOT, make_cache(folder / "cache-here", CORPORA))
        for part in parts:
            try:
                line = proof_of(part, here, lines, folder)
            except UserError as error:
                failed.append(f"code {part.code}: {error}")
                continue
            if line is not None:
                yield line
        if failed:
            raise UserError("; ".join(failed))
        shutil.rmtree(folder)


@contextmanager
def only_one_in(folder: Path) -> Iterator[None]:
    """Inside the `with` no other process proves in this folder. Raises UserError where one does."""
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"another process proves in {folder}; let it end") from None
    with lock:
        yield


def is_said(code: str, today: str, lines: Iterable[Record]) -> bool:
    """Whether a line says already how a code stands to today's."""
    return any(line.newer == today and code in (line.accepts, line.rejects) for line in verdicts(lines))


def proof_of(part: Provable, here: Tree, lines: Iterable[Record], folder: Path) -> Line | None:
    """The proof's line for one code, None where none is needed; what is made for it lies in the folder. UserError."""
    with Starter() as starter, tempfile.TemporaryDirectory() as of_trees:
        shutil.rmtree(folder / "today", ignore_errors=True)
        today = part.code_in(starter, here, folder / "today")
        if part.code == today or is_said(part.code, today, lines):
            return None
        place = folder / f"{part.code}-{today}"
        place.mkdir(exist_ok=True)
        cache = make_cache(folder / "cache-there", CORPORA)
        commit = commit_of(part, starter, cache, Path(of_trees), place / "commit")
        with tree_of(commit, Path(of_trees, "tree")) as root:
            trees = Trees(starter, Tree(root, cache, commit[:8]), here, place)
            runs, scorers, difference = compare(part, trees)
    return line_of_proof(part, today, commit, runs, scorers, difference)


def compare(part: Provable, trees: Trees) -> tuple[list[Line], list[Line], str]:
    """What is said of each run and of each corpus that was scored, and where the codes part; "" where they do not.

    Once they part only the scorers are still compared, so that it is known whether they are others too.
    """
    runs, scorers, parted = [], [], []
    commands = [part.commands_in(tree) for _, tree in trees.sides]
    for number, (sample, *of_sample) in enumerate(zip(part.samples, *commands, strict=True)):
        if parted and not sample.scored:
            continue
        computed = compute_both(trees, of_sample, sample.whole, number)
        runs.append(facts_of(sample, computed[1]))
        found = [first_difference(*computed)]
        if of_sample[0].scoring and not (parted or found[0] or sample.whole):
            found.append(compare_writing(trees, part, of_sample, number))
        if sample.scored:
            scorers.append(compare_scorers(trees, part, sample, number))
            found.append(scorers[-1]["difference"])
        parted += [f"{sample.row}, seed {sample.seed}: {difference}" for difference in found if difference]
    return runs, scorers, next(iter(parted), "")


def compute_both(trees: Trees, commands: Sequence[Command], whole: bool, number: int) -> list[Computed]:
    """What the commands of both trees compute. Raises TreeError."""
    steps = 0 if whole else FEW_STEPS
    return [
        compute(trees.starter, tree, command, steps, trees.folder / f"{side}-{number}")
        for (side, tree), command in zip(trees.sides, commands, strict=True)
    ]


def compare_writing(trees: Trees, part: Provable, commands: Sequence[Command], number: int) -> str:
    """The first prediction that differs where a benchmark's networks write as its recipe has it. Raises TreeError."""
    written, benchmark = [], part.samples[number].benchmark
    for (side, tree), command in zip(trees.sides, commands, strict=True):
        places = {
            one.row.partition(", ")[2]: trees.folder / f"{side}-{place}" / "run"
            for place, one in enumerate(part.samples) if one.benchmark == benchmark and not one.whole
        }  # fmt: skip
        options = [option.format(**places) for option in command.scoring]
        run, folder = trees.folder / f"{side}-{number}" / "run", trees.folder / f"written-{side}-{number}"
        eval_in_copy(trees.starter, tree, run, folder, [*options, "--limit", str(FEW_LINES)])
        written.append(read_run(folder))
    return difference_of_predictions(*written)


def compare_scorers(trees: Trees, part: Provable, sample: Sample, number: int) -> Line:
    """How many predictions were scored, in how many figures, and the first one that differs. Raises TreeError."""
    predictions = given_predictions(trees.folder / f"here-{number}" / "run")
    given = trees.folder / f"given-{number}.json"
    write_atomically(given, json.dumps(predictions))
    old, new = (
        scored_figures(
            trees.starter, tree, trees.folder / f"{side}-{number}" / "run", given,
            trees.folder / f"scored-{side}-{number}", sample.benchmark, part.scoring,
        )
        for side, tree in trees.sides
    )  # fmt: skip
    n = sum(map(len, predictions.values()))
    return {"row": sample.row, "predictions": n, "figures": len(old), "difference": first_other_figure(old, new)}


def commit_of(part: Provable, starter: Starter, cache: Path, of_trees: Path, known: Path) -> str:
    """The commit whose tree has the code: one that the lines name, or near to one; kept in a file. Raises UserError."""
    if known.exists():
        return known.read_text(encoding="utf-8")
    tried = commits_to_try(part.commits)
    for commit in tried:
        print(f"looking for code {part.code}: commit {commit[:8]}", file=sys.stderr)
        with tree_of(commit, of_trees / "candidate") as root:
            try:
                found = part.code_in(starter, Tree(root, cache, commit[:8]), of_trees / commit)
            except UserError as error:  # it may not know the suite yet
                print(error, file=sys.stderr)
                continue
        if found == part.code:
            write_atomically(known, commit)
            return commit
    raise UserError(
        f"no commit of {len(tried)} around the lines of {part.name} has code {part.code}; they stay earlier code's"
    )


def commits_to_try(named: Sequence[str]) -> list[str]:
    """The commits that are named, and then those around them, the nearest first."""
    history = git(ROOT, "log", "--format=%H").stdout.split()
    near = sorted(
        (abs(place - history.index(commit)), place) for commit in named if commit in history
        for place in range(len(history))
    )  # fmt: skip
    return list(dict.fromkeys([*named, *(history[place] for distance, place in near if distance <= NEAR)]))


def line_of_proof(
    part: Provable, today: str, commit: str, runs: list[Line], scorers: list[Line], difference: str
) -> Line:
    """What is written down beside the other lines."""
    lines = sum(scored["predictions"] for scored in scorers)
    scored = f"the scores of {lines:,} given predictions, a third of them spoilt"
    if difference:
        word, verb = "differs from", "rejects"
        equal = "" if any(one["difference"] for one in scorers) else f"; {scored}, are equal in every bit"
        reason = f"code {part.code} computes other bits: {difference}{equal}"
    else:
        word, verb = "counts as", "accepts"
        steps = ", ".join(f"{run['row']} ({run['steps']:,} steps)" for run in runs)
        reason = (
            f"proven on one machine: losses, weights and outputs of {steps} are equal in every bit at commit "
            f"{commit[:8]} and here, and so are {scored}"
        )
    return {
        "row": f"code {part.code} {word} {today}",
        "command": f"python -m experiments.ablate {without_place(part.name)} --prove",
        verb: part.code, "for": today, "reason": reason, "commit": commit, "runs": runs, "scorers": scorers,
    }  # fmt: skip


def facts_of(sample: Sample, computed: Computed) -> Line:
    """What a proof says of a run: how many losses were compared, the hash of the weights."""
    steps = len({(phase, step) for phase, step, name in computed.losses if name == "loss"})
    return {"row": sample.row, "seed": sample.seed, "steps": steps, "weights": computed.weights_hash[:16]}
