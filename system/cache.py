"""The user's cache folder: downloaded corpora, and results that are slow to compute and always the same.

What is made (parsed packages, generated tasks, learned tokenizers) lies there under a key of everything it depends on,
so nothing in the folder is ever out of date. Whoever deletes it, or a part of it, waits once more and loses nothing.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import platformdirs

from system.platform import replace
from system.user_folder import NAME, user_folder


def cache_folder(*parts: str) -> Path:
    """The project's folder in the user's cache, or a subfolder of it; it need not exist yet.

    `codegen` in `$XDG_CACHE_HOME` when that is set to an absolute path, else in the place that the system has for it:
    `~/.cache` on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows.
    """
    system = platformdirs.user_cache_dir(NAME, appauthor=False, opinion=False)
    return user_folder("XDG_CACHE_HOME", system).joinpath(*parts)


def remembered(kind: str, key: str, make: Callable[[], Any]) -> Any:
    """The result of `make`, from the cache where it was kept under `kind` and `key` before.

    `make` gives only what JSON knows (lists and no tuples, strings as keys), so that later runs get what the first got.
    """
    place = cache_folder(kind, f"{key}.json.gz")
    found = read_cache(place)
    if found is None:
        found = make()
        write_cache(place, found)
    return found


def cache_key(*parts: object) -> str:
    """A key of 16 hexadecimal digits over `parts`, which determine the result, and over the version of Python."""
    version = "{}.{}".format(*sys.version_info[:2])
    return hashlib.sha256("\0".join(map(str, (*parts, version))).encode()).hexdigest()[:16]


def sources_hash(paths: Iterable[Path]) -> str:
    """The SHA-256 over the names and contents of source files, whatever their order: a part of a key."""
    names = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()


def read_cache(place: Path) -> Any:
    """Read a kept value, or None where there is none, or the file is damaged (gzip has a checksum) or another's."""
    try:
        content = json.loads(gzip.decompress(place.read_bytes()))
        if content["name"] == place.name:
            return content["value"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error):
        pass
    print(f"{place} is damaged or may not be read; what it held is made again", file=sys.stderr)
    return None


def write_cache(place: Path, value: Any) -> None:
    """Keep a value, by writing aside and renaming; where the cache cannot be written, say so and go on."""
    content = json.dumps({"name": place.name, "value": value}, separators=(",", ":"))
    aside = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(gzip.compress(content.encode(), compresslevel=1))
        replace(aside, place)
    except OSError as error:
        print(f"{place.parent} cannot be written ({error.strerror}); the next run makes this again", file=sys.stderr)
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
