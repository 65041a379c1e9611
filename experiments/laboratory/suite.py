"""What a suite is: a base, rows that change something in it, seeds, a budget, and the claims that it tests.

A suite file of experiments/suites/ is data. Settings are train.py's under their dotted names, so that the line

    factors={"model.feed_forward": ("relu", "gelu")}

makes a row of every value but the base's own, "model.feed_forward=gelu". A row of several changes has its own name.

Four words are no settings of train.py: "corpus", which stands first on its command line, "networks", "start" and
"teacher". With "networks": 2 a row's runs do not pretrain each for itself: two networks are pretrained, and fine-tuned
in turn. With "start": "plain" they begin with the run of the same seed of the row "plain" as it stands, untuned; with
"teacher": "large" they learn from that of the row "large".
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from runpy import run_path
from typing import Any

from experiments.laboratory.claims import Claim
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.record.compact_lines import short_hash
from experiments.record.lines import SUITE_NAME_PATTERN
from system.errors import UserError
from training.run.old_settings import first_name, in_first_names

Changes = Mapping[str, Any]  # setting of train.py -> value

CORPUS, NETWORKS, START, TEACHER = "corpus", "networks", "start", "teacher"  # no settings of train.py
BASE_ROW = "base"
SAME_ROW = "base again"  # the A/A row: the base's last seeds set against its first
CONTROL = "no cross-attention"  # the positive control: the decoder does not see the description
CONTROL_CHANGES = {"model.cross_attention": False, "model.copy_head": False}
SUITES = Path(__file__).parent.parent / "suites"
BASE_SEEDS, ROW_SEEDS = range(1, 11), range(1, 6)
TUNING_SEED = 0  # never one that counts


@dataclass(frozen=True)
class Suite:
    """One campaign of runs."""

    name: str  # of its file here and of its result lines
    title: str
    base: Changes  # what every run has; what it does not say is as the settings' defaults were in `schema`
    factors: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # setting -> values, each a row
    rows: Mapping[str, Changes] = field(default_factory=dict)  # name -> changes to the base
    tuned: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # setting -> values, tried in every row
    compared: Mapping[str, str] = field(default_factory=dict)  # row -> the row it is set against; else the base
    exposed: tuple[str, ...] = ()  # rows in which the loss sees the answer: only the score counts
    claims: tuple[Claim, ...] = ()
    family: int = 0  # Holm corrects claims over so many tests, theirs and some made elsewhere; 0: over all rows
    conclusions: tuple[str, ...] = ()  # what the runs have taught, in sentences, for docs/results.md
    smallest: Mapping[str, float] = field(default_factory=lambda: {"loss": 0.002, "score": 2.0})  # effects that count
    score: str = "in_distribution"  # the split whose score stands second
    splits: tuple[str, ...] = ("compositional", "longer", "rephrased")  # shown beside it
    tuning_share: int = 4  # tuning has so much less of the budget
    seeds: Mapping[str, int] = field(default_factory=dict)  # row -> number, where not 10 of the base and 5 of others
    schema: int = 0  # of the names and defaults of settings (training/run/old_settings.py)

    def against(self, row: str) -> str:
        """The row that `row` is compared with."""
        return self.compared.get(row, BASE_ROW)


def rows_of(suite: Suite) -> dict[str, Changes]:
    """Every row and what it changes, the base first, the positive control among them. Raises UserError."""
    rows: dict[str, Changes] = {BASE_ROW: {}}
    for setting, values in suite.factors.items():
        for value in values:
            if setting not in suite.base or suite.base[setting] != value:
                rows[f"{first_name(setting)}={value}"] = {setting: value}
    for name, changes in suite.rows.items():
        if name in rows or name == SAME_ROW or (name == CONTROL and changes != CONTROL_CHANGES):
            raise UserError(f"suite {suite.name}: two rows are called {name!r}; give one of them another name")
        rows[name] = changes
    if CONTROL_CHANGES not in rows.values():
        rows[CONTROL] = CONTROL_CHANGES
    check_names(suite, rows)
    return rows


def check_suite(suite: Suite) -> Suite:
    """Refuse a suite whose mistake would show only after hours of runs. Raises UserError."""
    known, is_name = [*SUITE_METRICS], SUITE_NAME_PATTERN.fullmatch(suite.name)
    wrong = {
        f"its name {suite.name!r} has more than small letters, digits and _": not is_name,
        "its base has no training.steps": not isinstance(suite.base.get("training.steps"), int),
        f"its score {suite.score!r} is none of {', '.join(known)}": suite.score not in known,
        "its smallest effects need loss and score": {*suite.smallest} != {"loss", "score"},
        "its family is smaller than its claims are many": 0 < suite.family < len(suite.claims),
        "the metric of a claim is unknown": any(claim.metric not in known for claim in suite.claims),
        "data.path is a factor: a suite reads one set of data": any(
            "data.path" in changes for changes in ({**suite.factors}, *suite.rows.values())
        ),
        "evaluation.limit leaves examples out": any(
            "evaluation.limit" in changes for changes in (suite.base, {**suite.factors}, *suite.rows.values())
        ),
    }  # fmt: skip

    for problem, is_wrong in wrong.items():
        if is_wrong:
            raise UserError(f"suite {suite.name}: {problem}; mend its file")
    for row in rows_of(suite):
        check_pairs(suite, row)
    return suite


def check_pairs(suite: Suite, row: str) -> None:
    """Refuse seeds that could not be paired with one of the row that this one is set against. Raises UserError."""
    against = suite.against(row)
    number, beside = (len(seeds_of(suite, name)) for name in (row, against))
    if number < 1:
        raise UserError(f"suite {suite.name}: the row {row} has no seed; give it one in seeds, or leave the row out")
    if row in suite.seeds and number > beside:
        raise UserError(
            f"suite {suite.name}: {row} has {number} seeds and {against}, which it is set against, {beside}; give "
            f'both as many: seeds={{"{row}": {number}, "{against}": {number}}}'
        )


def check_names(suite: Suite, rows: Mapping[str, Changes]) -> None:
    """Refuse a suite that names a row which it does not have. Raises UserError."""
    named = [*suite.compared, *suite.compared.values(), *suite.exposed, *suite.seeds]
    named += [row for claim in suite.claims for row in (claim.row, claim.against)]
    named += [changes[word] for changes in rows.values() for word in (START, TEACHER) if changes.get(word)]
    for name in named:
        if name not in rows:
            raise UserError(f"suite {suite.name}: there is no row {name!r}; its rows are {', '.join(rows)}")


def seeds_of(suite: Suite, row: str, seeds: int = 0) -> list[int]:
    """The seeds of a row, or only the first `seeds` of them."""
    number = suite.seeds.get(row, len(BASE_SEEDS if row == BASE_ROW else ROW_SEEDS))
    return list(range(1, min(number, seeds or number) + 1))


def definition(suite: Suite, row: str) -> str:
    """A hash of what a row means: lines of a row that meant something else do not count for it.

    It is made of the settings' first names, so that a new name is no other meaning.
    """
    parts = {"base": suite.base, "changes": rows_of(suite)[row], "tuned": suite.tuned}
    parts_in_first_names: dict[str, Any] = {name: in_first_names(part) for name, part in parts.items()}
    return short_hash(parts_in_first_names | ({"schema": suite.schema} if suite.schema else {}))


def names() -> list[str]:
    """The names of all suites, in alphabetical order."""
    return sorted(path.stem for path in SUITES.glob("*.py") if path.stem not in ("__init__", "base"))


def load_suite(name: str) -> Suite:
    """The suite of that name, or of a Python file of the user's. Raises UserError."""
    if name in names():
        return check_suite(importlib.import_module(f"experiments.suites.{name}").SUITE)
    if not name.endswith(".py") or not Path(name).is_file():
        raise UserError(f"there is no suite {name!r}; choose one of {', '.join(names())}, or give a Python file")
    found = run_path(name).get("SUITE")
    if not isinstance(found, Suite):
        raise UserError(f"{name}: no SUITE there; write SUITE = Suite(...) as in experiments/suites/pieces.py")
    if found.name in names():
        raise UserError(f"{name}: the project has a suite {found.name} of its own; give yours another name")
    return check_suite(found)
