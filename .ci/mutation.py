"""Changes the equations a place at a time and asks whether a test notices. Run by hand: it takes an hour.

    python .ci/mutation.py                        every module of `.ci/mutation.toml`
    python .ci/mutation.py model/positions.py     these modules
    python .ci/mutation.py --again FILE           what survived by FILE alone, an earlier --out

A place is a number, True or False, a comparison, a binary, unary or in-place operator; annotations are none. The
mutants are cosmic-ray's, but that a float is doubled (plus one, as cosmic-ray has it, is no small change to 1e-6) and
`+=` becomes `-=`. A mutant is killed when a test of the module's own room fails, or is still running when
several times its time is over. It is made in a copy of the working tree; its tests run in a fork of a process that has
imported what others wrote, torch above all, in three turns: the test file of the module's name, the files that name the
module, the rest of the room. What survives and is not excused by `.ci/mutation.toml` fails the run.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import itertools
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

LIST = Path(".ci") / "mutation.toml"
# Not imported by name: the copy has one of its own.
PLATFORM = runpy.run_path(str(Path(__file__).resolve().parents[1] / "system" / "platform.py"))
PATIENCE = 4  # times what the tests take without a mutant, and
GRACE = 20  # seconds more
REPLACED = {
    "binary_operator_replacement.ReplaceBinaryOperator": (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul", "LShift_RShift",
        "BitAnd_BitOr", "BitOr_BitAnd",
    ),
    "comparison_operator_replacement.ReplaceComparisonOperator": (
        "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt", "Eq_NotEq", "NotEq_Eq",
        "Is_IsNot", "IsNot_Is",
    ),
    "unary_operator_replacement.ReplaceUnaryOperator": ("USub_UAdd", "Delete_Invert", "Delete_Not"),
    "boolean_replacer.Replace": ("TrueWithFalse", "FalseWithTrue"),
}  # fmt: skip
IN_PLACE = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "//=": "*=", "**=": "*="}


@dataclass(frozen=True)
class Mutant:
    """One change of one line of a module."""

    path: str
    line: int
    was: str  # the line's code, without the remark behind it
    becomes: str
    code: str  # of the whole module

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.was}  ->  {self.becomes}"


def operators() -> list:
    """cosmic-ray's operators that are wanted here, and two of our own."""
    import importlib

    from cosmic_ray.operators.operator import Operator
    from parso.python.tree import Number
    from parso.python.tree import Operator as Sign

    class Numbers(Operator):
        """An integer plus and minus one; a float doubled, 0.0 to 1.0."""

        def mutation_positions(self, node) -> Iterator:
            if isinstance(node, Number):
                n_changes = 2 if isinstance(ast.literal_eval(node.value), int) else 1
                yield from [(node.start_pos, node.end_pos)] * n_changes

        def mutate(self, node, index: int):
            value = ast.literal_eval(node.value)
            value = value + (1, -1)[index] if isinstance(value, int) else 2 * value or 1.0
            return Number(repr(value), node.start_pos, prefix=node.prefix)

        examples = arguments = classmethod(lambda _: ())

    class InPlace(Operator):
        """The opposite of an in-place operator."""

        def mutation_positions(self, node) -> Iterator:
            if isinstance(node, Sign) and node.value in IN_PLACE:
                yield node.start_pos, node.end_pos

        def mutate(self, node, index: int):
            node.value = IN_PLACE[node.value]
            return node

        examples = arguments = classmethod(lambda _: ())

    found = [Numbers(), InPlace()]
    for name, pairs in REPLACED.items():
        module, prefix = name.split(".")
        of_kind = importlib.import_module(f"cosmic_ray.operators.{module}")
        separator = "" if prefix == "Replace" else "_"
        found += [getattr(of_kind, f"{prefix}{separator}{pair}")() for pair in pairs]
    return found


def mutants(path: Path) -> list[Mutant]:
    """All mutants of a module that compile and differ in more than an annotation, in the order of its lines."""
    from cosmic_ray.mutating import mutate_code

    code, found = path.read_text(encoding="utf-8"), []
    plain, lines = without_annotations(code), code.splitlines()
    for operator in operators():
        for occurrence in itertools.count():
            changed = mutate_code(code, operator, occurrence)
            if changed is None:
                break
            with contextlib.suppress(SyntaxError):
                if without_annotations(changed) != plain:
                    pairs = enumerate(zip(lines, changed.splitlines(), strict=True), start=1)
                    line, (was, becomes) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
                    found.append(Mutant(path.as_posix(), line, without_remark(was), without_remark(becomes), changed))
    return sorted(found, key=lambda mutant: mutant.line)


def without_annotations(code: str) -> str:
    """What of a module's syntax tree is computed with."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, None)
    return ast.dump(tree)


def without_remark(line: str) -> str:
    """The line's code, one blank where there are several."""
    return " ".join(line.split("  # ")[0].split())


class Bench:
    """A copy of the working tree in which mutants are made and tested."""

    def __init__(self, folder: Path, settings: dict, n_turns: int) -> None:
        self.folder, self.settings, self.n_turns, self.seconds = folder, settings, n_turns, {}
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        for name in listed.stdout.splitlines():
            if Path(name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(name, folder / name)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        os.environ["PYTHONPATH"] = str(folder)

    def turns(self, path: str) -> list[tuple[str, ...]]:
        """The test files of a module, those first that are most likely to notice."""
        room = next(room for room in self.settings["room"] if path in room["modules"])
        files = list(dict.fromkeys(str(file) for pattern in room["tests"] for file in sorted(Path().glob(pattern))))
        same_name = [file for file in files if Path(file).name == f"test_{Path(path).stem}.py"]
        own = self.settings["first"].get(path, same_name)
        name = path.removesuffix(".py").replace("/", ".")
        near = [file for file in files if file not in own and name in Path(file).read_text(encoding="utf-8")]
        rest = [file for file in files if file not in own + near]
        return [tuple(turn) for turn in (own, near, rest) if turn][: self.n_turns]

    def prepare(self, paths: list[str]) -> None:
        """Run every turn without a mutant: it must pass, gives the time, and the packages of others to be kept."""
        for turn in dict.fromkeys(turn for path in paths for turn in self.turns(path)):
            start = time.monotonic()
            outcome, output = self.fork(turn, limit=1200, mutated=False)
            if outcome != "survived":
                raise SystemExit(f"without a mutant the tests of {' '.join(turn)} do not pass:\n{output}")
            for name in (self.folder / "imported").read_text(encoding="utf-8").split():
                with contextlib.suppress(Exception):
                    __import__(name)
            self.seconds[turn] = time.monotonic() - start

    def judge(self, mutant: Mutant) -> tuple[str, str]:
        """Killed, timed out or survived; and by which test."""
        path, original = Path(mutant.path), Path(mutant.path).read_text(encoding="utf-8")
        times = path.stat()
        path.write_text(mutant.code, encoding="utf-8", newline="\n")
        try:
            for turn in self.turns(mutant.path):
                outcome, output = self.fork(turn, limit=PATIENCE * self.seconds[turn] + GRACE)
                if outcome != "survived":
                    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
                    return outcome, failed[0].split(" - ")[0] if failed else turn[0]
            return "survived", ""
        finally:
            path.write_text(original, encoding="utf-8", newline="\n")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def fork(self, tests: tuple[str, ...], limit: float, mutated: bool = True) -> tuple[str, str]:
        """pytest on these files in a process of its own: the outcome and what was printed."""
        output = self.folder / "output"
        child = PLATFORM["fork"]()
        if not child:
            PLATFORM["lead_group"]()
            with output.open("w", encoding="utf-8", newline="\n") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os._exit(self.run_tests(tests, mutated))
        end = time.monotonic() + limit
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return "survived" if status == 0 else "killed", output.read_text(encoding="utf-8", errors="replace")
            if time.monotonic() > end:
                PLATFORM["end_group"](child)
                os.waitpid(child, 0)
                return "timed out", output.read_text(encoding="utf-8", errors="replace")
            time.sleep(0.02)

    def run_tests(self, tests: tuple[str, ...], mutated: bool) -> int:
        """In the child. Bytecode is written without a mutant and never with one."""
        import pytest

        sys.dont_write_bytecode = mutated
        code = 3
        try:
            left_out = [f"--deselect={name}" for name in self.settings["left_out"]]
            code = int(pytest.main(["-x", "-q", "--tb=line", "-rfE", "-p", "no:cacheprovider", *left_out, *tests]))
            own = {path.stem for path in self.folder.iterdir()} | {"__main__"}
            names = [name for name in sys.modules if name.split(".")[0] not in own]
            (self.folder / "imported").write_text("\n".join(names), encoding="utf-8", newline="\n")
        finally:
            sys.stdout.flush()
            return code  # noqa: B012 - whatever happens, the child ends here


def excused(mutant: Mutant, entries: list[dict]) -> bool:
    """Does the list say that this mutant changes nothing? An entry without `becomes` means every change of its line."""
    return any(
        mutant.path == entry["path"] and mutant.was == entry["was"]
        and mutant.becomes in entry.get("becomes", [mutant.becomes])
        for entry in entries
    )  # fmt: skip


def main() -> int:
    """Judge the mutants, print those that survive, count; 1 when one is not excused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="all of the list when none is given")
    parser.add_argument("--out", type=Path, help="one JSON line for each mutant")
    parser.add_argument("--again", type=Path, help="judge those alone that survived by this file")
    parser.add_argument("--turns", type=int, default=3, help="1 or 2: without the tests that rarely notice")
    parser.add_argument("--count", action="store_true", help="count the mutants and judge none")
    options = parser.parse_args()
    settings = tomllib.loads(LIST.read_text(encoding="utf-8"))
    paths = options.modules or [path for room in settings["room"] for path in room["modules"]]
    made = [mutant for path in paths for mutant in mutants(Path(path))]
    wanted = [mutant for mutant in made if not excused(mutant, settings["equivalent"])]
    if options.again:
        lines = [json.loads(line) for line in options.again.read_text(encoding="utf-8").splitlines()]
        left = {(line["path"], line["was"], line["becomes"]) for line in lines if line["outcome"] == "survived"}
        wanted = [mutant for mutant in wanted if (mutant.path, mutant.was, mutant.becomes) in left]
    print(f"{len(made)} mutants, {len(wanted)} to be judged", flush=True)
    if options.count:
        print(*(f"{n:>5}  {path}" for path, n in Counter(mutant.path for mutant in wanted).items()), sep="\n")
        return 0
    place = options.out or Path(os.devnull)
    with place.open("w", encoding="utf-8", newline="\n") as out, tempfile.TemporaryDirectory() as folder:
        counts = judge_all(wanted, Bench(Path(folder), settings, options.turns), out)
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts["survived"] else 0


def judge_all(wanted: list[Mutant], bench: Bench, out) -> Counter[str]:
    """Judge one after the other; each is written to `out`, the survivors are printed too."""
    counts: Counter[str] = Counter()
    bench.prepare(list(dict.fromkeys(mutant.path for mutant in wanted)))
    for mutant in wanted:
        start = time.monotonic()
        outcome, by = bench.judge(mutant)
        counts[outcome] += 1
        about = {key: value for key, value in asdict(mutant).items() if key != "code"}
        about |= {"outcome": outcome, "by": by, "seconds": round(time.monotonic() - start, 1)}
        print(json.dumps(about), file=out, flush=True)
        if outcome == "survived":
            print(mutant, flush=True)
    return counts


if __name__ == "__main__":
    sys.exit(main())
