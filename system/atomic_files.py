"""Files that are whole or absent, even if the process is killed, the power fails or the disk is full.

A file is written aside, forced to the disk (fsync) and renamed: a rename within a file system happens at once. What is
written aside is new, under a name that nobody can know before (O_EXCL): a link that somebody has put into the folder is
never written through, and `partials` finds what a kill has left.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from system.errors import UserError
from system.platform import WINDOWS, is_link, open_without_links, patiently, refused_name, replace, sync_folder

PARTIAL = re.compile(r"(.+?)(\.[0-9a-f]{8})?\.partial")  # older code wrote aside under the plain name


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace the file at `path`, or leave it as it was and raise UserError (full disk, no permission)."""
    aside = aside_of(path)
    try:
        write_synced(aside, content.encode("utf-8") if isinstance(content, str) else content)
        replace(aside, path)
        sync_folder(path.parent)
    except OSError as error:
        remove(aside)
        raise UserError(f"{path} could not be written ({reason(error)}); nothing was changed there") from error


def check_name(path: Path) -> None:
    """Refuse a path that Windows cannot have, on Windows. Raises UserError."""
    problem = refused_name(path) if WINDOWS else ""
    if problem:
        raise UserError(f"{path}: {problem}; choose another name")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read the value in a JSON file. Raises UserError when it is missing or is not JSON."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is {kind_of(path)}, not a file; move it away")
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is not there") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not whole JSON ({error}); restore the file, or make the run again") from error


def aside_of(path: Path) -> Path:
    """A name beside `path` for its content until that is whole."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")


def whole_name(name: str) -> str:
    """The name that a file or folder written aside was to get; any other name stays."""
    found = PARTIAL.fullmatch(name)
    return found[1] if found else name


def partials(folder: Path, name: str) -> list[Path]:
    """What killed processes have left of `name` in a folder, half-written; nobody else may write there now."""
    return [path for path in folder.glob("*.partial") if whole_name(path.name) == name]


def from_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError.

    A whole number beyond 64 bits becomes a float, as in most languages' JSON: no count is one, and where transformers
    writes 10^30 for 'no limit' it is one.
    """
    return json.loads(text, parse_int=whole_number)


def whole_number(digits: str) -> int | float:
    """A whole number of 64 bits, as JSON writes it; a longer one as a float."""
    return int(digits) if len(digits) <= 20 and abs(int(digits)) < 1 << 64 else float(digits)


def kind_of(path: Path) -> str:
    """What stands there in the place of a file, in words: whoever opened a pipe would wait for its writer."""
    if path.is_dir():
        return "a folder"
    return "a pipe" if path.is_fifo() else "a device or socket"


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and wait until it is on the disk. Raises OSError, also where the name is taken."""
    with os.fdopen(open_without_links(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_folder(aside: Path, folder: Path) -> None:
    """Rename the finished folder `aside` to `folder`. Raises OSError.

    A folder cannot be renamed over another one: an older `folder` first becomes `<folder>.replaced`, and is still
    there if the process is killed before the second rename.
    """
    sync_folder(aside)
    replaced = folder.with_name(folder.name + ".replaced")
    if folder.exists():
        remove(replaced)
        replace(folder, replaced)
    replace(aside, folder)
    sync_folder(folder.parent)
    remove(replaced)


def remove(path: Path) -> None:
    """Delete a file or folder, if it exists; of a link the link, and nothing that it leads to.

    A folder is renamed first, so that a kill in the middle never leaves half of it under its own name.
    """
    if path.is_dir() and not is_link(path):
        doomed = path if path.suffix == ".deleted" else path.with_name(path.name + ".deleted")
        if doomed != path:
            if is_link(doomed):
                doomed.unlink()
            shutil.rmtree(doomed, ignore_errors=True)
            replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        patiently(lambda: path.unlink(missing_ok=True))


def reason(error: OSError) -> str:
    """The operating system's words for an error, such as 'No space left on device'."""
    return error.strerror or str(error)
