"""What a measured row says besides its figure: the command, the machine, the versions, the code, the target.

    python -m experiments.record.measurement      print what is known about this Python and machine, as JSON
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.record.lines import command_of
from experiments.record.records import record_of
from experiments.record.targets import TARGETS, is_met
from system.atomic_files import write_atomically
from system.errors import UserError
from system.trial import step_cap

ROOT = Path(__file__).resolve().parents[2]

Facts = dict[str, Any]  # machine, threads, versions, commit, date, and the hash of the code where it is known
MeasuredRow = dict[str, Any]  # a row of a --json file: a line that has no suite yet


def check_writable(file: Path | None) -> None:
    """Refuse a --json that could not be written, before minutes are spent. Raises UserError."""
    if file is not None and (not file.parent.is_dir() or file.is_dir()):
        raise UserError(f"--json {file} cannot be written there; give a file in a folder that exists")


def measured_row(
    suite: str, row: str, arguments: list[str], facts: Facts, **values: Any
) -> MeasuredRow:
    """A row for `python -m experiments.results measured`: what was run with what, its target, and the `values`.

    `arguments`: of the measuring command, which begin with its module's name.
    """
    found = {"row": row, "command": shown_command(arguments), **facts, **values}
    promised = [target for target in TARGETS if (target.suite, target.row) == (suite, row)]
    if promised:  # the first is of the figure itself; others are of what it took
        found |= {"target": promised[0].wanted, "met": is_met(promised[0], record_of({"suite": suite, **found}))}
    return found


def shown_command(arguments: list[str]) -> str:
    """The measuring command, without --json, which does not change what is measured; a cap is a part of it."""
    kept, words = [], iter(arguments)
    for word in words:
        if word == "--json":
            next(words, None)
        elif not word.startswith("--json="):
            kept.append(word)
    cap = step_cap()
    return (f"CI_STEPS={cap} " if cap else "") + command_of({"command": ["-m", *kept]})


def rounded_score(score: Mapping[str, float]) -> dict[str, float]:
    """A score, and its interval where it has one, rounded to two decimals."""
    return {key: round(float(score[key]), 2) for key in ("value", "low", "high") if key in score}


def write_rows(file: Path | None, rows: list[MeasuredRow]) -> None:
    """Write the rows as JSON where --json asked for them."""
    if file is not None:
        write_atomically(file, json.dumps(rows, indent=2) + "\n")


def facts_of(environment: dict[str, Any]) -> Facts:
    """What a row keeps of an environment.json or of `describe_environment`."""
    return {
        "machine": f"{environment['cores']} cores, {environment['processor']}",
        "threads": environment["threads"],
        "versions": {"python": environment["python"], **environment["libraries"]},
        "commit": environment["commit"],
        "date": environment["date"],
        **({"code_hash": environment["code_hash"]} if environment.get("code_hash") else {}),
    }


def facts_here() -> Facts:
    """The facts of this process; the code hash is over all code that any run may import."""
    import torch  # here alone: what measures memory must not share a large library with what it measures

    from training.run.code_hash import code_hash, is_hashed
    from training.run.environment import describe_environment

    files = [path for path in ROOT.rglob("*.py") if is_hashed(path.relative_to(ROOT))]
    environment = describe_environment(0, torch.device("cpu"), code_hash=code_hash(ROOT, files))
    return facts_of(environment)


if __name__ == "__main__":
    json.dump(facts_here(), sys.stdout)
