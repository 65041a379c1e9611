"""What --overwrite may not delete: the network that a run is to begin with, its data, and the folder it is called from.

Paths are compared as the file system has them: links are followed, and two names of one folder are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from system.errors import UserError
from system.platform import is_link

PROJECT = Path(__file__).resolve().parents[2]


def check_overwriting(run: Path, needed: Mapping[str, str]) -> None:
    """Refuse to overwrite a folder that holds what the run needs (setting -> path, "" for none). Raises UserError."""
    if not run.is_dir():
        return
    for what, place in (("the current folder", Path.cwd()), ("this project", PROJECT), ("your home", Path.home())):
        if lies_in(place, run):
            raise UserError(f"--overwrite would delete files in {run}, which holds {what}; choose another --run")
    for name, path in needed.items():
        if path and any(lies_in(place, run) for place in places_of(Path(path).expanduser())):
            raise UserError(
                f"--overwrite would delete {run}, where {name}={path} lies; nothing was deleted, choose another --run"
            )


def places_of(path: Path) -> Iterable[Path]:
    """A path, the links in it where it is a folder, and what has its name with other endings (parallel text)."""
    yield path
    if path.is_dir():
        yield from (inside for inside in path.iterdir() if is_link(inside))
    elif path.parent.is_dir():
        names = (f"{path.name}.", f"{path.stem}.")
        yield from (beside for beside in path.parent.iterdir() if beside.name.startswith(names))


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is the folder or lies anywhere inside; the folder has to exist, the path need not."""
    real = Path(os.path.realpath(path))
    return any(part.exists() and part.samefile(folder) for part in (real, *real.parents))
