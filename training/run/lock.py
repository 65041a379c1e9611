"""One process at a time writes in a run folder: the lock in FOLDER/.lock, which the operating system takes back.

The file is made once and never deleted: a lock on a file that another process may delete guards nothing. Whoever only
reads a run takes no lock.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from system.atomic_files import reason
from system.errors import UserError
from system.platform import is_link

LOCK_FILE = ".lock"
PATIENCE = 0.5  # seconds: others look for an instant whether a folder is in use


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Inside the `with` no other process writes in this folder. Raises UserError where one does."""
    lock = acquire(run, PATIENCE)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):
                lock.release()


def check_free(run: Path) -> None:
    """Refuse a folder in which another process writes, before any work; nothing is made there. Raises UserError."""
    if (run / LOCK_FILE).is_file():
        lock = acquire(run, 0.0, silent=True)
        if lock is not None:
            lock.release()


def acquire(run: Path, seconds: float, silent: bool = False) -> FileLock | None:
    """The folder's lock, held; None, and a line about it, where there can be none. Raises UserError."""
    path = run / LOCK_FILE
    no_lock = UserError(f"{path} is a link, and no lock of this project's; delete it")
    if is_link(path):
        raise no_lock
    lock = FileLock(path, timeout=seconds, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another process writes in {run}; wait for its end, or choose another folder (nothing was changed)"
        ) from None
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise no_lock from error
        why = reason(error) if isinstance(error, OSError) else str(error)
        if not silent:
            print(f"{run} cannot be locked ({why}); see to it that nothing else writes there", file=sys.stderr)
        return None
    return lock
