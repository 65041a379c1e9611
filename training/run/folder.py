"""The folder of one run, `runs/<name>/`: permission to write there, its settings and its metrics.

config.json         every setting, enough to run it again, the run's id and the version of this layout
environment.json    versions, machine and hashes (training/run/environment.py)
tokenizer.model     or the folder tokenizer/, with the files of the checkpoint that the run began from
model.safetensors, checkpoints/, metrics.jsonl, budget.json, scores.json, predictions.jsonl, attention.json,
curves.png, report.html, walkthrough.html
tensorboard/        the figures of metrics.jsonl for TensorBoard, where --tracking asks for it
logs/               what all processes but the first have printed, where several train together
.lock               held by the process that writes here (training/run/lock.py)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from system.atomic_files import (
    aside_of,
    check_name,
    partials,
    read_json,
    reason,
    remove,
    whole_name,
    write_json,
    write_synced,
)
from system.errors import UserError
from system.from_disk import Table, checked
from system.options import Settings
from system.platform import is_link, open_without_links
from training.run.lock import LOCK_FILE, check_free, only_writer
from training.run.old_settings import SCHEMA, flat, nested, read_old
from training.run.own import is_own, new_id, refuse_links_of_strangers
from training.run.settings_file import from_dict, to_dict

VERSION = 2  # of the layout of a run folder; a change that older code cannot read raises it
READ = (1, 2)  # layouts that this code reads: 1 says no schema of its settings
CONFIG_FILE, METRICS_FILE, SCORES_FILE = "config.json", "metrics.jsonl", "scores.json"
TOKENIZERS = (Tokenizer.file_name, PretrainedTokenizer.file_name)
CONTENTS = (
    "environment.json", *TOKENIZERS, "taught.json", "model.safetensors", "checkpoints", METRICS_FILE, "budget.json",
    "tensorboard", "logs", "bad_batches.json", SCORES_FILE, "predictions.jsonl", "attention.json", "curves.png",
    "report.html", "walkthrough.html", CONFIG_FILE,
)
WRITTEN_FIRST = (LOCK_FILE, *TOKENIZERS, "environment.json", CONFIG_FILE)


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


def check_run(run: Path, resume: bool = False, overwrite: bool = False, free: bool = False) -> None:
    """Refuse a folder in which the run must not be made, before any work starts; no file is changed.

    A folder that holds a run is refused unless the caller asked to go on with it or to overwrite it, and one that
    holds other things always is, as is one in which another process writes, unless the
    caller knows that it is free. Raises UserError.
    """
    check_name(run)
    if not free:
        check_free(run)
    if not is_run(run):
        if run.exists() and not is_barely_begun(run):
            raise UserError(f"{run} is there and is no run folder (it has no {CONFIG_FILE}); choose another --run")
        if resume:
            raise UserError(f"{run} holds no run to go on with; leave --resume out")
        return
    values = read_json(run / CONFIG_FILE)
    if overwrite:
        if not isinstance(values, dict) or not isinstance(values.get("version"), int) or "special_ids" not in values:
            raise UserError(f"{run / CONFIG_FILE} is not a run's; nothing was deleted, choose another --run")
        return
    check_version(run, values)
    if not resume:
        state, choice = ("a finished", "") if is_finished(run) else ("an unfinished", "--resume to go on with it, ")
        raise UserError(f"{run} holds {state} run; give {choice}--overwrite to replace it, or another --run")


@contextmanager
def opened(run: Path, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """Inside the `with` the folder is ready to be written, and this process alone writes there. Raises UserError."""
    check_run(run, resume, overwrite)
    make_folder(run)
    check_writable(run)
    with only_writer(run):
        open_run(run, resume, overwrite)
        yield


def open_run(run: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Make the folder of a run ready to be written; one that goes on stays as it is.

    Overwriting deletes a run's own files and no others. Raises UserError where `check_run` does.
    """
    check_run(run, resume, overwrite, free=True)
    make_folder(run)
    clear_partials(run)
    if not resume:
        clear(run, CONTENTS)  # config.json last: after a kill in between, the folder is still a run's


def is_barely_begun(run: Path) -> bool:
    """Whether a folder is empty or holds only what a run writes before config.json: it was killed there."""
    return run.is_dir() and all(whole_name(path.name) in WRITTEN_FIRST for path in run.iterdir())


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


def check_writable(run: Path) -> None:
    """Refuse a folder in which nothing can be written, before the work whose results would go there. Raises UserError.

    A file is made and deleted again: what permissions say is not all (a read-only disk, a full one).
    """
    probe = aside_of(run / CONFIG_FILE)
    try:
        write_synced(probe, b"")
        probe.unlink()
    except OSError as error:
        raise UserError(f"{run} cannot be written ({reason(error)}); make it so, or copy the folder") from error


def clear(run: Path, names: tuple[str, ...]) -> None:
    """Delete these files and folders of a run. A folder of checkpoints that is a link stays one, and is emptied."""
    for name in names:
        if name == "checkpoints" and is_link(run / name) and is_own(run):
            for folder in (run / name).glob("step-*"):
                remove(folder)
        else:
            remove(run / name)


def clear_partials(run: Path) -> None:
    """Delete what a killed process has left half-written of a run's files."""
    for name in CONTENTS:
        for path in partials(run, name):
            remove(path)


def write_config(run: Path, settings: Any, special_ids: dict[str, Any]) -> None:
    """Write config.json: the layout's version, the settings' schema, the run's id, special ids, every setting."""
    heading = {"version": VERSION, "schema": SCHEMA, "id": new_id(run), "special_ids": special_ids}
    write_json(run / CONFIG_FILE, heading | to_dict(settings))


def read_config(run: Path, kind: type[Settings]) -> tuple[Settings, dict[str, Any]]:
    """The settings of a run and its special ids. Raises UserError, also for a folder of another version.

    Whether untrusted programs may be run is nothing that a file can say: it is off.
    """
    values = read_config_values(run)
    special_ids = values.pop("special_ids", {})
    values.get("evaluation", {}).pop("run_untrusted", None)
    return from_dict(kind, values, run / CONFIG_FILE), special_ids


def ran_untrusted(run: Path) -> bool:
    """Whether the run was begun with consent to run untrusted programs, which it must be given anew. UserError."""
    return bool(read_config_values(run).get("evaluation", {}).get("run_untrusted"))


def read_config_values(run: Path) -> dict[str, Any]:
    """config.json of a run, settings of older code under today's names. Raises UserError.

    Whoever reads a run begins here: the folder of somebody else is refused when it holds links.
    """
    if not (run / CONFIG_FILE).is_file():
        raise UserError(f"{run} holds no run; train one with `python train.py --run {run}`, or give another --run")
    refuse_links_of_strangers(run)
    values = read_json(run / CONFIG_FILE)
    check_version(run, values)
    checked(values, Heading, run / CONFIG_FILE)
    del values["version"]
    values.pop("id", None)
    schema = values.pop("schema", 0)
    try:
        return nested(read_old(flat(values), schema))
    except (TypeError, RecursionError) as error:  # two settings in one place, a list for a name, a thousand rooms
        raise UserError(f"{run / CONFIG_FILE} holds settings that no run has ({error}); restore the file") from error


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
    size, path = metrics_size(run), run / METRICS_FILE
    try:
        descriptor = open_without_links(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    except OSError as error:
        raise UserError(f"{path} cannot be added to ({reason(error)}); it has to be a file of the run's own") from error
    try:
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(values) + "\n")
    except OSError as error:
        truncate_metrics(run, size)
        raise UserError(f"{path} could not be written ({reason(error)}); free some space") from error


def metrics_size(run: Path) -> int:
    """Length of metrics.jsonl in bytes; a checkpoint remembers it."""
    path = run / METRICS_FILE
    return path.stat().st_size if path.exists() else 0


def truncate_metrics(run: Path, size: int) -> None:
    """Cut metrics.jsonl back to a checkpoint's length: the steps after it are done again. Raises UserError."""
    if metrics_size(run) <= size:
        return
    try:
        with os.fdopen(open_without_links(run / METRICS_FILE, os.O_RDWR), "r+b") as file:
            file.truncate(size)
    except OSError as error:
        raise UserError(f"{run / METRICS_FILE} cannot be cut back ({reason(error)}); mend or delete it") from error
