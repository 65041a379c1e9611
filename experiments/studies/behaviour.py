"""Does this code compute what another commit computed? Each step's loss, the final weights, what is written.

    python -m experiments.studies.behaviour COMMIT                      all cases
    python -m experiments.studies.behaviour COMMIT --jobs 2             two cases at a time
    python -m experiments.studies.behaviour HEAD --only FGM "LoRA"      these cases against the last commit
    python -m experiments.studies.behaviour COMMIT --json rows.json     the rows as well

The commit's files stand in a worktree of git while this runs. A case (experiments/studies/behaviour_cases.py) is a
command of train.py for some twenty steps, run there and here: with the fast forms every bit must be equal, with the
readable ones and without dropout losses and weights to 1e-5, and the greedy output always. Other cases open folders of
runs that the commit has made: a run that was killed goes on here and ends with the bits of one that was not, eval.py
writes the same code, training begins with the network. Exit status 1: something differs.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.record.cells import NOT_RUN, as_text
from experiments.record.differences import first_difference, largest_difference
from experiments.record.measurement import check_writable, write_rows
from experiments.record.trees import (
    ONE_THREAD,
    ROOT,
    Computed,
    Starter,
    Tree,
    TreeError,
    corpus_folder,
    make_cache,
    train,
    train_until_killed,
    tree_of,
)
from experiments.studies.behaviour_cases import CASES, RENAMED, SPEEDS, TOLERANCES, Case, write_pairs
from system.errors import UserError
from system.options import parse, run_and_report

EQUAL = "equal"


@dataclass(frozen=True)
class Settings:
    """Which commit, which cases."""

    commit: Annotated[str, tyro.conf.Positional]  # what this code should compute, as git names commits
    only: tuple[str, ...] = ()  # cases by name; none: all
    jobs: int = 1  # cases at a time
    json: Path | None = None  # file for the rows


@dataclass(frozen=True)
class Row:
    """The answer of one case."""

    case: str
    speed: str
    answer: str  # "equal", "equal to 3e-08", "not run: reason" or what differs first
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing differs, so far as it was run."""
        return self.answer.startswith((EQUAL, NOT_RUN))


@dataclass(frozen=True)
class Trees:
    """The commit's tree and this one, and what runs them."""

    old: Tree
    new: Tree
    folder: Path  # of their runs, and of the made-up pairs
    starter: Starter
    known: Collection[str]  # options that the commit's train.py has; empty: all of this tree's

    def words(self, options: str, speed: str, of_old: bool, folder: Path | None = None) -> list[str]:
        """Options as a command's words: with their names in that tree, and with the places that stand for them."""
        places = {"PAIRS": str(self.folder / "pairs.csv"), "FOLDER": str(folder)}
        words = []
        for name, values in merged(f"{options} {SPEEDS[speed]}".split()).items():
            spelled = old_spelling(name, self.known) if of_old else name
            words += [*([spelled] if spelled else []), *(places.get(value, value) for value in values)]
        return words


def merged(words: list[str]) -> dict[str, list[str]]:
    """Option -> its values, "" -> what stands before the options; of an option that stands twice the later values."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word
            found[name] = []
        else:
            found[name].append(word)
    return found


def old_spelling(option: str, known: Collection[str]) -> str:
    """The name of an option in the commit: the earlier one where its train.py does not know today's."""
    return f"--{RENAMED[option[2:]]}" if option[2:] in RENAMED and option not in known else option


def options_of(tree: Tree) -> set[str]:
    """The options that the tree's train.py lists, asked only where some were renamed. Raises TreeError."""
    if not RENAMED:
        return set()
    with Starter() as starter:
        return set(re.findall(r"--[\w.]+", starter.run(tree, "train", ["--help"])))


def answer(case: Case, speed: str, trees: Trees, place: Path) -> str:
    """The first difference of a case, or that there is none. Raises TreeError."""
    if case.prompt:
        return compare_prompts(case, speed, trees, place)
    if case.killed_at:
        return compare(*run_and_go_on(case, speed, trees, place), TOLERANCES[speed])
    before = place / "before"
    if case.before:
        train(trees.starter, trees.old, trees.words(case.before, speed, of_old=True), before)
    old = train(trees.starter, trees.old, trees.words(case.options, speed, of_old=True, folder=before), place / "old")
    new = train(trees.starter, trees.new, trees.words(case.options, speed, of_old=False, folder=before), place / "new")
    return compare(old, new, TOLERANCES[speed])


def run_and_go_on(case: Case, speed: str, trees: Trees, place: Path) -> tuple[Computed, Computed]:
    """The commit's run from begin to end, and one that was killed there and goes on here. Raises TreeError."""
    words = trees.words(case.options, speed, of_old=True)
    old = train(trees.starter, trees.old, words, place / "old")
    train_until_killed(trees.starter, trees.old, words, place / "new", case.killed_at)
    return old, train(trees.starter, trees.new, ["--resume"], place / "new")


def compare_prompts(case: Case, speed: str, trees: Trees, place: Path) -> str:
    """Whether eval.py of both trees writes the same with the commit's network. Raises TreeError."""
    train(trees.starter, trees.old, trees.words(case.options, speed, of_old=True), place)
    asked = ["--run", str(place), "--prompt", case.prompt, *ONE_THREAD]
    old, new = (trees.starter.run(tree, "eval", asked) for tree in (trees.old, trees.new))
    return EQUAL if old == new else f"the prompt's code: {new.strip()!r} instead of {old.strip()!r}"


def compare(old: Computed, new: Computed, tolerance: float) -> str:
    """The first difference, or that there is none above the tolerance."""
    if difference := first_difference(old, new, tolerance):
        return difference
    distance = largest_difference(old, new)
    return f"{EQUAL} to {distance:.0e}" if distance else EQUAL


def run_case(name: str, speed: str, trees: Trees) -> Row:
    """A case's row, and a line on stderr."""
    case, began = CASES[name], time.monotonic()
    missing = [corpus for corpus in case.needs if corpus_folder(corpus) is None]
    if missing:
        found = f"{NOT_RUN}: {missing[0]} is not there; run `python -m data fetch {missing[0]}`"
    else:
        with tempfile.TemporaryDirectory(dir=trees.folder) as place:
            try:
                found = answer(case, speed, trees, Path(place))
            except TreeError as error:
                found = str(error)
    row = Row(name, speed, found, round(time.monotonic() - began, 1))
    print(f"{name}, {speed}: {found} ({row.seconds:.0f} s)", file=sys.stderr, flush=True)
    return row


@contextmanager
def both_trees(commit: str, jobs: int) -> Iterator[list[Trees]]:
    """Inside the `with` both trees are ready, each with a cache, and `jobs` processes to run them. Raises UserError."""
    corpora = {corpus for case in CASES.values() for corpus in case.needs}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        write_pairs(folder / "pairs.csv")
        root = stack.enter_context(tree_of(commit, folder / "tree", ROOT))
        old = Tree(root, make_cache(folder / "old cache", corpora), commit)
        new = Tree(ROOT, make_cache(folder / "new cache", corpora))
        known = options_of(old)
        yield [Trees(old, new, folder, stack.enter_context(Starter()), known) for _ in range(jobs)]


def run_cases(asked: list[tuple[str, str]], commit: str, jobs: int) -> list[Row]:
    """The rows of cases with their speeds, in order, `jobs` at a time. Raises UserError."""
    with both_trees(commit, jobs) as idle, ThreadPoolExecutor(jobs) as pool:

        def run(case: tuple[str, str]) -> Row:
            """Run a case with trees that no other case uses meanwhile."""
            trees = idle.pop()
            try:
                return run_case(*case, trees)
            finally:
                idle.append(trees)

        running = [pool.submit(run, case) for case in asked]
        try:
            return [row.result() for row in running]
        finally:
            pool.shutdown(cancel_futures=True)


def main(arguments: list[str]) -> int:
    """Run the cases and print their answers."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.behaviour")
    check_writable(settings.json)
    if unknown := [name for name in settings.only if name not in CASES]:
        raise UserError(f"--only {unknown[0]!r} is no case; choose among {', '.join(CASES)}")
    if settings.jobs < 1:
        raise UserError(f"--jobs {settings.jobs} must be at least 1")
    asked = [(name, speed) for name in CASES if name in (settings.only or CASES) for speed in CASES[name].speeds]
    rows = run_cases(asked, settings.commit, settings.jobs)
    print(as_text(["case", "speed", "answer"], [[row.case, row.speed, row.answer] for row in rows]), end="")
    differing = sum(not row.holds for row in rows)
    print(f"\n{len(rows)} cases against {settings.commit}: {differing or 'none'} differ")
    write_rows(settings.json, [asdict(row) for row in rows])
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
