"""Whose a run folder is. A stranger's may name any file of the user's, hold links to them, and ask for anything.

A run is one's own where the user's state folder knows its real path under its mark: the random id that config.json got
when the run was begun there, or, of a run from before such ids, the hash of config.json. A copy, and a folder that was
moved, are nobody's until `--trust`. Consent to run untrusted programs is in no file at all, one's own or not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from system.atomic_files import write_atomically
from system.errors import UserError
from system.links import refuse_links
from system.options import given_names
from system.platform import open_without_links
from system.state import state_folder

ID = re.compile(r"[0-9a-f]{32}")


def new_id(run: Path) -> str:
    """An id for a run that is begun in this folder, which is one's own from now on."""
    mark = secrets.token_hex(16)
    remember(run, mark)
    return mark


def is_own(run: Path) -> bool:
    """Whether the run in this folder was begun here, or taken as one's own by `adopt`."""
    mark = mark_of(run)
    return bool(mark) and real_path(run) in known_places(mark)


def adopt(run: Path) -> None:
    """Take the run in this folder as one's own, as `--trust` says. Raises UserError where it holds none."""
    mark = mark_of(run)
    if not mark:
        raise UserError(f"{run} holds no run that could be trusted; correct the folder's name")
    if not is_own(run):
        remember(run, mark)


def mark_of(run: Path) -> str:
    """The run's id, of older ones the hash of config.json; "" where that is no file of the folder."""
    try:
        with os.fdopen(open_without_links(run / "config.json", os.O_RDONLY), "rb") as file:
            content = file.read()
    except OSError:
        return ""
    try:
        mark = json.loads(content).get("id", "")
    except (ValueError, AttributeError, RecursionError):
        mark = ""
    if isinstance(mark, str) and ID.fullmatch(mark):
        return mark
    return hashlib.sha256(content).hexdigest()


def real_path(run: Path) -> bytes:
    """The folder's path without links, as the file system has it."""
    return os.fsencode(os.path.realpath(run))


def known_places(mark: str) -> list[bytes]:
    """The real paths of folders that hold one's own run of this mark."""
    try:
        return state_folder("runs", mark).read_bytes().split(b"\0")
    except OSError:
        return []


def remember(run: Path, mark: str) -> None:
    """Write down that this folder holds one's own run; where that cannot be kept, say so and go on."""
    place = state_folder("runs", mark)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, b"\0".join(dict.fromkeys([*known_places(mark), real_path(run)])))
    except (OSError, UserError) as error:
        print(f"{run} is not remembered as your own ({error}); later commands may ask for --trust", file=sys.stderr)


def refuse_links_of_strangers(run: Path) -> None:
    """Refuse a run folder that is not one's own and holds links. Raises UserError."""
    if is_own(run):
        return
    checkpoints = run / "checkpoints"
    for folder in (run, run / "tokenizer", checkpoints, *checkpoints.glob("step-*")):
        try:
            refuse_links(folder, folders=True)
        except UserError as error:
            raise UserError(f"{error}; if the run is your own, say so once: eval.py --run {run} --trust") from None


def check_places(run: Path, places: dict[str, str], mend: str) -> None:
    """Refuse to read what a run names (setting -> path, "" for none), unless it is one's own. Raises UserError.

    mend: what the user can do instead of trusting the run.
    """
    named = [f"{name}={path}" for name, path in places.items() if path]
    if named and not is_own(run):
        raise UserError(
            f"{run} was not begun here, and it names {', '.join(named)}, which is not read unasked; {mend}, or "
            "--trust once to eval.py or train.py where the run is your own (copied, moved, older than this question)"
        )


def check_consent(run: Path, argv: Sequence[str], option: str, asked: bool) -> None:
    """Refuse to run untrusted programs again because the run did so before: consent is a command line's alone.

    asked: whether the run had it; option: its name on this command line. Raises UserError.
    """
    room, dot, name = option.rpartition(".")
    if asked and not given_names(argv) & {option, f"{room}{dot}no_{name}"}:
        raise UserError(
            f"{run} was scored by running the programs that its network writes, and there is no sandbox; add "
            f"--{option} where that is all right again, or --{room}{dot}no_{name} to score without"
        )
