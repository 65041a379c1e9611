"""Files that are whole or absent, even if the process is killed, the power fails or the disk is full.

A file is written aside, forced to the disk (fsync) and renamed: a rename within a file system happens at once.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from system.errors import UserError
from system.platform import patiently, replace, sync_folder


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace the file at `path`, or leave it as it was and raise UserError (full disk, no permission)."""
    aside = path.with_name(path.name + ".partial")
    try:
        write_synced(aside, content.encode("utf-8") if isinstance(content, str) else content)
        replace(aside, path)
        sync_folder(path.parent)
    except OSError as error:
        remove(aside)
        raise UserError(f"{path} could not be written ({reason(error)}); nothing was changed there") from error


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


def from_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for a number that no count here reaches."""
    return json.loads(text, parse_int=whole_number)


def whole_number(digits: str) -> int:
    """A whole number of 64 bits, as JSON writes it. Raises ValueError for a longer one."""
    if len(digits) > 20 or abs(int(digits)) >= 1 << 64:
        raise ValueError(f"a number of {len(digits)} digits is beyond 64 bits")
    return int(digits)


def kind_of(path: Path) -> str:
    """What stands there in the place of a file, in words: whoever opened a pipe would wait for its writer."""
    if path.is_dir():
        return "a folder"
    return "a pipe" if path.is_fifo() else "a device or socket"


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk. Raises OSError."""
    with open(path, "wb") as file:
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
    """Delete a file or folder, if it exists.

    A folder is renamed first, so that a kill in the middle never leaves half of it under its own name.
    """
    if path.is_dir():
        doomed = path if path.suffix == ".deleted" else path.with_name(path.name + ".deleted")
        if doomed != path:
            shutil.rmtree(doomed, ignore_errors=True)
            replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        patiently(lambda: path.unlink(missing_ok=True))


def reason(error: OSError) -> str:
    """The operating system's words for an error, such as 'No space left on device'."""
    return error.strerror or str(error)
