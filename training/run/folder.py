"""The folder of one run, `runs/<name>/`: permission to write there, its settings and its metrics.

config.json         every setting, enough to run it again, and the version of this layout
environment.json    versions, machine and hashes (training/run/environment.py)
tokenizer.model     or the folder tokenizer/, with the files of the checkpoint that the run began from
model.safetensors, checkpoints/, metrics.jsonl, budget.json, scores.json, predictions.jsonl, attention.json,
curves.png, report.html, walkthrough.html
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from system.atomic_files import read_json, reason, remove, write_json
from system.errors import UserError
from system.from_disk import Table, checked
from system.options import Settings
from training.run.old_settings import SCHEMA, flat, nested, read_old
from training.run.settings_file import from_dict, to_dict

VERSION = 2  # of the layout of a run folder; a change that older code cannot read raises it
READ = (1, 2)  # layouts that this code reads: 1 says no schema of its settings
CONFIG_FILE, METRICS_FILE, SCORES_FILE = "config.json", "metrics.jsonl", "scores.json"
TOKENIZERS = (Tokenizer.file_name, PretrainedTokenizer.file_name)
CONTENTS = (
    "environment.json", *TOKENIZERS, "taught.json", "model.safetensors", "checkpoints", METRICS_FILE, "budget.json",
    "bad_batches.json", SCORES_FILE, "predictions.jsonl", "attention.json", "curves.png", "report.html",
    "walkthrough.html", CONFIG_FILE,
)
WRITTEN_FIRST = (*TOKENIZERS, "environment.json", CONFIG_FILE)


@dataclass
class Heading:
    """The types of what is used of config.json before its settings are read."""

    schema: int = 0
    special_ids: dict[str, int | list[int] | None] = field(default_factory=dict)
    model: Table = field(default_factory=dict)
    data: Table = field(default_factory=dict)
    training: Table = field(default_factory=dict)
    pretraining: Table = field(default_factory=dict)
    evaluation: Table = field(default_factory=dict)
    strategies: Table = field(default_factory=dict)


def check_run(run: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse a folder in which the run must not be made, before any work starts; no file is changed.

    A folder that holds a run is refused unless the caller asked to go on with it or to overwrite it, and one that
    holds other things always is. Raises UserError.
    """
    if not is_run(run):
        if run.exists() and not is_barely_begun(run):
            raise UserError(f"{run} is there and is no run folder (it has no {CONFIG_FILE}); choose another --run")
        if resume:
            raise UserError(f"{run} holds no run to go on with; leave --resume out")
        return
    values = read_json(run / CONFIG_FILE)
    if overwrite:
        if not isinstance(values, dict) or not isinstance(values.get("version"), int):
            raise UserError(f"{run / CONFIG_FILE} is not a run's; nothing was deleted, choose another --run")
        return
    check_version(run, values)
    if not resume:
        state, choice = ("a finished", "") if is_finished(run) else ("an unfinished", "--resume to go on with it, ")
        raise UserError(f"{run} holds {state} run; give {choice}--overwrite to replace it, or another --run")


def open_run(run: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Make the folder of a run ready to be written; one that goes on stays as it is.

    Overwriting deletes a run's own files and no others. Raises UserError where `check_run` does.
    """
    check_run(run, resume, overwrite)
    if not resume:
        make_folder(run)
        clear(run, CONTENTS)  # config.json last: after a kill in between, the folder is still a run's


def is_barely_begun(run: Path) -> bool:
    """Whether a folder is empty or holds only what a run writes before config.json: it was killed there."""
    return run.is_dir() and all(path.name.removesuffix(".partial") in WRITTEN_FIRST for path in run.iterdir())


def is_run(run: Path) -> bool:
    """Whether a run has been started in this folder."""
    return (run / CONFIG_FILE).is_file()


def is_finished(run: Path) -> bool:
    """Whether the run in this folder came to its end: it was trained and, where it was fine-tuned, scored."""
    return (run / SCORES_FILE).is_file()


def make_folder(run: Path) -> None:
    """Make the folder and those above it. Raises UserError."""
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{run} cannot be made ({reason(error)}); choose another --run") from error


def clear(run: Path, names: tuple[str, ...]) -> None:
    """Delete these files and folders of a run, and their half-written copies."""
    for name in names:
        remove(run / f"{name}.partial")
        remove(run / name)


def write_config(run: Path, settings: Any, special_ids: dict[str, Any]) -> None:
    """Write config.json: the layout's version, the settings' schema, the tokenizer's special ids, every setting."""
    heading = {"version": VERSION, "schema": SCHEMA, "special_ids": special_ids}
    write_json(run / CONFIG_FILE, heading | to_dict(settings))


def read_config(run: Path, kind: type[Settings]) -> tuple[Settings, dict[str, Any]]:
    """The settings of a run and its special ids. Raises UserError, also for a folder of another version."""
    values = read_config_values(run)
    special_ids = values.pop("special_ids", {})
    return from_dict(kind, values, run / CONFIG_FILE), special_ids


def read_config_values(run: Path) -> dict[str, Any]:
    """config.json of a run, settings of older code under today's names. Raises UserError."""
    if not (run / CONFIG_FILE).is_file():
        raise UserError(f"{run} holds no run; train one with `python train.py --run {run}`, or give another --run")
    values = read_json(run / CONFIG_FILE)
    check_version(run, values)
    checked(values, Heading, run / CONFIG_FILE)
    del values["version"]
    schema = values.pop("schema", 0)
    return nested(read_old(flat(values), schema))


def check_version(run: Path, values: Any) -> None:
    """Refuse a folder whose layout this code does not know."""
    found = values.get("version") if isinstance(values, dict) else None
    if found not in READ:
        raise UserError(
            f"{run / CONFIG_FILE} has version {found}, this code reads versions {READ[0]} to {VERSION}; train again "
            "into another --run"
        )
    schema = values.get("schema", 0)
    if schema not in range(SCHEMA + 1):
        raise UserError(
            f"{run / CONFIG_FILE} has settings of schema {schema}, this code reads those up to {SCHEMA}; use the code "
            "that made the run, or train again into another --run"
        )


def append_metrics(run: Path, values: dict[str, Any]) -> None:
    """Add one line to metrics.jsonl. Raises UserError on a full disk, and leaves no half line then."""
    size = metrics_size(run)
    try:
        with open(run / METRICS_FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
    except OSError as error:
        truncate_metrics(run, size)
        raise UserError(f"{run / METRICS_FILE} could not be written ({reason(error)}); free some space") from error


def metrics_size(run: Path) -> int:
    """Length of metrics.jsonl in bytes; a checkpoint remembers it."""
    path = run / METRICS_FILE
    return path.stat().st_size if path.exists() else 0


def truncate_metrics(run: Path, size: int) -> None:
    """Cut metrics.jsonl back to a checkpoint's length: the steps after it are done again."""
    if metrics_size(run) > size:
        os.truncate(run / METRICS_FILE, size)
