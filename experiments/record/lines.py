"""One JSON line a finished run or measurement, kept for good in docs/results/<suite>.jsonl.

Tables and pages are made from these lines alone, so a campaign goes on over days and machines, and weights need not be
kept. A line holds no path of the machine it was made on. In the file a run's line has the short form of
`experiments/record/compact_lines.py`; who reads it gets the whole one.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from evaluation.finished_run import RunFolder, numbered_json_lines, read_run_folder
from evaluation.metrics import pack_bits
from experiments.record.compact_lines import Line, compact, config_hash, expand, settings_that_count, without_place
from experiments.record.records import Pretraining, Record, ResultLine, data_cards, record_of, verdicts
from system.atomic_files import write_atomically
from system.errors import UserError
from system.trial import step_cap
from training.run.folder import read_config_values

RUN_IDENTITY = ("suite", "config_hash", "code_hash", "data_hash", "seed", "threads")
ROW_IDENTITY = (*RUN_IDENTITY, "row", "definition")  # in the laboratory two rows may share a run
MEASUREMENT_IDENTITY = (
    "suite", "row", "command", "code_hash", "commit", "machine", "threads",
    "config_hash_of_run", "data_hash", "seed", "scored_by",  # of benchmarks
)  # fmt: skip
# suite -> what a line must have
MEASUREMENTS = {"speed": ("ours", "peers", "ratio", "value", "unit"), "checks": ("value", "unit"),
                "benchmarks": ("value", "unit", "minutes", "parameters"), "choosing": ("value", "unit"),
                "few_shot": ("value", "unit"), "gradient_norms": ("value", "unit", "layers")}  # fmt: skip
SHOWN_BESIDE = ("gold_parses", "signatures")  # what no page shows, scores by length, is not recorded
SUITE_NAME_PATTERN = re.compile(r"[a-z0-9_]+")


def run_line(run: Path, suite: str, row: str = "", command: str = "") -> ResultLine:
    """The result line of a finished run folder. Raises UserError when something that a figure needs is missing."""
    folder = read_run_folder(run, read_config_values(run))
    check_complete(folder)
    facts = folder.facts
    scored = folder.beside.pop("evaluation", {})  # eval.py may have scored with other settings than the run's own
    config = settings_that_count(folder.config) | ({"evaluation": scored} if scored else {})

    return ResultLine(
        suite=suite,
        row=row or folder.name,
        command=command or command_of(facts),
        config=config,
        config_hash=config_hash(config),
        code_hash=facts["code_hash"],
        data_hash=facts["data_hash"],
        seed=facts["seed"],
        threads=facts["threads"],
        device=facts.get("device"),
        machine=folder.machine or "not recorded",
        versions={**({"python": facts["python"]} if facts.get("python") else {}), **facts.get("libraries", {})},
        commit=facts.get("commit"),
        budget=folder.budget,
        wall_seconds=facts.get("wall_seconds", facts.get("seconds")),
        held_out_loss=kept_held_out_loss(folder),
        scores=folder.scores,
        baselines=folder.baselines,
        beside={name: value for name, value in folder.beside.items() if name in SHOWN_BESIDE},
        bits=example_bits(folder),
    )


def check_complete(folder: RunFolder) -> None:
    """Refuse a run that is not finished or whose scores leave examples out. Raises UserError."""
    for name in ("code_hash", "data_hash", "seed", "threads"):
        if folder.facts.get(name) is None:
            raise UserError(f"{folder.path / 'environment.json'}: no {name} there; make the run again with this code")
    if not folder.budget:
        raise UserError(f"{folder.path}: no budget.json, so the run is not finished; go on with --resume")
    if not folder.scores:
        raise UserError(f"{folder.path}: no scores.json; score it first: python eval.py --run {folder.path}")

    limit = folder.beside.get("evaluation", {}).get("limit")
    if limit and not step_cap():  # a trial's figures are no results anyway
        raise UserError(
            f"{folder.path}: only the first {limit} lines of each split were scored; score all of them: "
            f"python eval.py --run {folder.path} --limit 0"
        )

    found = Counter(str(record.get("split")) for record in folder.predictions)
    for split, metrics in folder.scores.items():
        n = metrics.get("exact_match", {}).get("n")
        if n is not None and n != found[split]:
            raise UserError(
                f"{folder.path}: scores.json counts {n} examples in {split}, predictions.jsonl has {found[split]}; "
                f"score it again: python eval.py --run {folder.path}"
            )


def kept_held_out_loss(folder: RunFolder, phase: str = "training") -> float | None:
    """The unsmoothed held-out loss of the weights that a phase has kept; None where nothing was held out.

    They are its last ones; where early stopping watched, those with the lowest loss.
    """
    of_phase = [record for record in folder.metrics if record.get("phase", phase) == phase]
    found = [record["held_out_loss"] for record in of_phase if "held_out_loss" in record]
    if not found:
        return None
    return min(found) if folder.config.get(phase, {}).get("patience") else found[-1]


def pretraining_of(run: Path) -> Pretraining:
    """What a result line says of the run that has made the network with which its own began."""
    folder = read_run_folder(run, read_config_values(run))
    config, facts = settings_that_count(folder.config), folder.facts
    return Pretraining(
        seed=facts["seed"],
        config_hash=config_hash(config),
        code_hash=facts["code_hash"],
        command=command_of(facts),
        config={name: config[name] for name in ("data", "pretraining")},
        data=data_cards(facts["data"], facts),
        budget=folder.budget,
        held_out_loss=kept_held_out_loss(folder, "pretraining"),
    )


def command_of(facts: dict[str, Any]) -> str:
    """The command that made the run, absolute paths in it as PATH, several in a row as PATH..."""
    words = [str(word) for word in facts.get("command", [])]
    if not words:
        return ""
    cleaned = []
    for word in words:
        option, sign, value = word.partition("=")
        shown = f"{option}={without_place(value)}" if sign and option.startswith("-") else without_place(word)
        if shown == "PATH" and cleaned and cleaned[-1] in ("PATH", "PATH..."):
            cleaned[-1] = "PATH..."
        else:
            cleaned.append(shown)
    return shlex.join(["python", *cleaned])


def example_bits(folder: RunFolder) -> dict[str, dict[str, str]]:
    """Per split which examples were exact and, where tests were run, which passed; in the split's own order."""
    bits: dict[str, dict[str, str]] = {}
    for split in folder.scores:
        records = [record for record in folder.predictions if record.get("split") == split]
        bits[split] = {"exact": pack_bits([bool(record.get("exact")) for record in records])}
        if any(record.get("passed") is not None for record in records):
            bits[split]["passed"] = pack_bits([bool(record.get("passed")) for record in records])
    return bits


def measurement_lines(file: Path, suite: str) -> list[Line]:
    """The lines of a JSON file that a measuring command has written: a row, a list of rows, or rows by their names.

    Raises UserError.
    """
    if suite not in MEASUREMENTS:
        raise UserError(f"--suite {suite} holds runs, not measurements; choose one of {', '.join(MEASUREMENTS)}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not readable as JSON ({error}); make it again with --json {file}") from None
    if isinstance(content, dict) and isinstance(content.get("machine"), dict):  # {row: .., "machine": facts of all}
        facts = content.pop("machine")
        content = [{"row": name, **facts, **row} for name, row in content.items()]
    rows = content if isinstance(content, list) else [content]
    for number, row in enumerate(rows, start=1):
        wanted = ("row", "command", "machine", *MEASUREMENTS[suite])
        missing = [name for name in wanted if not isinstance(row, dict) or name not in row]
        if missing:
            raise UserError(f"{file}: row {number} has no {missing[0]}; a {suite} row needs {', '.join(wanted)}")
    return [{"suite": suite, **row} for row in rows]


def identity(line: Line) -> tuple[str, ...]:
    """The values by which two lines are the same: what was run, not what came out."""
    of_run = ROW_IDENTITY if "definition" in line else RUN_IDENTITY
    names = of_run if "config_hash" in line else MEASUREMENT_IDENTITY
    return tuple(json.dumps(line.get(name)) for name in names)


def append_line(folder: Path, line: Line) -> bool:
    """Append `line` to its suite's file unless a line of the same identity stands there; whether it was appended.

    What it shares with others is added once. The lines that are there stay as they are, in whatever form. Processes
    take turns under a lock of the operating system, which is free again when its owner dies.
    """
    if not SUITE_NAME_PATTERN.fullmatch(line["suite"]):
        raise UserError(f"--suite {line['suite']!r}: a suite's name has small letters, digits and underscores only")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{line['suite']}.jsonl"
    with FileLock(folder / f"{line['suite']}.lock"):
        if any(identity(other) == identity(line) for other in read_lines(folder, line["suite"])):
            return False
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if before and not before.endswith("\n"):
            before += "\n"
        short, shared = compact(line)
        known = shared_of(entry for _, entry in numbered_json_lines(path))
        added = [part for key, part in shared.items() if key not in known]
        write_atomically(path, before + as_json_lines([*added, short]))
    return True


def as_json_lines(entries: Iterable[Mapping[str, Any]]) -> str:
    """Lines as they stand in a file."""
    return "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)


def read_suite(folder: Path, suite: str) -> list[Record]:
    """The records of one suite in the order in which they were added. Raises UserError where a field is missing."""
    return [record_of(line) for line in read_lines(folder, suite)]


def read_lines(folder: Path, suite: str) -> list[Line]:
    """The whole lines of one suite in the order in which they were added. Raises UserError naming file and line."""
    path = folder / f"{suite}.jsonl"
    entries = numbered_json_lines(path)
    shared, lines = shared_of(entry for _, entry in entries), []

    for number, entry in entries:
        if "shared" in entry:
            continue
        try:
            line = expand(entry, shared)
        except UserError as error:
            raise UserError(f"{path}:{number}: {error}") from None
        for name in ("suite", "row", "command"):
            if not isinstance(line.get(name), str):
                raise UserError(f"{path}:{number}: no {name} in this result line; restore or delete it")
        if line["suite"] != suite:
            raise UserError(f"{path}:{number}: belongs to the suite {line['suite']}; move it to that suite's file")
        lines.append(line)
    return lines


def shared_of(entries: Iterable[Line]) -> dict[str, Line]:
    """Key -> shared line, of the entries of a file."""
    return {entry["shared"]: entry for entry in entries if "shared" in entry}


def read_suites(folder: Path) -> dict[str, list[Record]]:
    """Every suite's records, suites in alphabetical order."""
    return {path.stem: read_suite(folder, path.stem) for path in sorted(folder.glob("*.jsonl"))}


def said_of_codes(lines: Iterable[Record], codes: Collection[str]) -> list[str]:
    """What proofs say of these codes, a sentence each: as which later code they count, or that they are earlier ones.

    The last word on a code is taken (`python -m experiments.ablate NAME --prove` writes it beside the code's lines).
    """
    newest = {line.accepts or line.rejects: line for line in verdicts(lines)}
    return [
        f"Code {code} counts as {newest[code].newer}: {newest[code].reason}." if newest[code].accepts
        else f"Made by earlier code than {newest[code].newer}: {newest[code].reason}."
        for code in dict.fromkeys(codes) if code in newest
    ]  # fmt: skip
