"""Links in a folder that somebody else has made: what is read or written under such a name lies anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from system.errors import UserError
from system.platform import is_link


def refuse_links(folder: Path, folders: bool = False) -> None:
    """Refuse a folder in which a name is a link, or anything else than a file or a folder. Raises UserError.

    Links of a hub's cache to its regular files in `../../blobs` are read. folders: links to folders count too.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if is_link(path):
            if not is_blob(path) and (folders or not path.is_dir()):
                raise UserError(
                    f"{path} is a link to {os.path.realpath(path)}, and links in somebody else's folder are not "
                    "followed; put the file itself there, or take the link away"
                )
        elif not path.is_file() and not path.is_dir():
            raise UserError(f"{path} is neither a file nor a folder; take it away")


def is_blob(path: Path) -> bool:
    """Whether a link leads to a regular file of the hub's cache that its folder belongs to; its `blobs` is no link."""
    blobs = os.path.join(os.path.realpath(path.parent / ".." / ".."), "blobs")
    return os.path.dirname(os.path.realpath(path)) == blobs and path.is_file()
