"""What Windows does not have or does otherwise than Linux and macOS, each with what stands in its place there.

Nothing else of the project names `resource`, `fcntl`, `os.fork`, `os.killpg`, `os.setsid`, `os.O_NOFOLLOW`, SIGALRM,
SIGHUP or SIGUSR1: ruff's banned-api holds it. Of the project nothing is imported, and only the standard library at
first: the server of generated programs, and processes that become another commit's programs, begin with this file.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import math
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None

WINDOWS = sys.platform == "win32"
CAN_FORK = hasattr(os, "fork")
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK")  # Slurm's, and Ctrl-Break's on Windows
PATIENCE = 2.0  # seconds for which a file may be in somebody else's hands: a virus scanner's, an indexer's
STATM = "/proc/self/statm"  # Linux: sizes of this process in pages, the address space first
PLAIN = {"▕": "|", "␣": "_", "↵": "\\n", "⇥": "\\t", "‖": "||", "█": "#", "▏": "|", "…": "...", "–": "-", "→": "->"}
NO_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}  # from file systems that cannot sync a folder
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
DEVICES = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", re.IGNORECASE)


def stop_signals() -> list[signal.Signals]:
    """The signals that ask this process to end, as far as the system has them; SIGHUP unless it is ignored (nohup)."""
    there = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
    return [number for number in there if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN]


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    if resource is None:
        import psutil

        memory = psutil.Process().memory_info()
        return getattr(memory, "peak_wset", memory.rss) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where a folder can be waited for. Raises OSError."""
    if WINDOWS:  # it opens no folders, and NTFS keeps a journal of names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDERS:  # some network drives, such as those mounted in notebooks
            raise
    finally:
        os.close(descriptor)


def patiently(action: Callable[[], Any]) -> Any:
    """The result of `action`; on Windows, where an open file can be neither replaced nor deleted, tried for 2 s."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except PermissionError:
            if not WINDOWS or time.monotonic() > until:
                raise
        time.sleep(0.05)


def replace(source: Path, target: Path) -> None:
    """Rename a file or folder, over the file that has the new name. Raises OSError."""
    patiently(lambda: os.replace(source, target))


def open_without_links(path: Path, flags: int) -> int:
    """A descriptor of a regular file under just this name, for `os.fdopen`. Raises OSError where it is a link or so."""
    if not hasattr(os, "O_NOFOLLOW") and os.path.lexists(path) and is_link(path):
        raise OSError(errno.ELOOP, "is a link", str(path))
    own = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | own, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return descriptor


def is_link(path: Path) -> bool:
    """Whether a name is a symbolic link, or one of Windows' junctions."""
    return os.path.islink(path) or bool(getattr(os.path, "isjunction", lambda _: False)(path))


def of_own_group() -> dict[str, Any]:
    """Arguments of `subprocess.Popen` for a process that Ctrl-C does not reach and `end_group` ends."""
    if WINDOWS:
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def require_fork() -> None:
    """Raise OSError where processes cannot be copied."""
    if not CAN_FORK:
        raise OSError("this needs copies of a process, which Windows cannot make; use WSL, Linux or macOS")


def fork() -> int:
    """0 in a copy of this process, and here the copy's number. Raises OSError on Windows."""
    require_fork()
    return os.fork()


def lead_group() -> None:
    """Make this process the first of a group of its own, for `end_group`; no terminal's Ctrl-C reaches it."""
    os.setsid()


def end_group(pid: int) -> None:
    """End a process that leads a group, and all that it has begun. It has to be waited for yet."""
    if WINDOWS:
        end_family(pid)
        return
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: no permission to end a zombie's group
            kill(pid, signal.SIGKILL)


def end_family(pid: int) -> None:
    """End a process and its descendants, where there are no process groups."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for process in [first, *first.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def parent_of_this() -> int:
    """The number of the process that began this one, or 0 when that has ended."""
    if not WINDOWS:
        return os.getppid()  # init's, or that of a process that takes orphans, when it has ended
    import psutil

    parent = psutil.Process().parent()  # None where the number is another process' by now
    return parent.pid if parent is not None else 0


def program_limits(seconds: float, memory_mib: int) -> dict[int, int]:
    """The kernel's limits on a generated program: time, and on Linux memory beyond what this process takes now."""
    limits = {resource.RLIMIT_CPU: math.ceil(seconds) + 1, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    limits[resource.RLIMIT_NPROC] = 0
    if os.path.exists(STATM):
        with open(STATM, encoding="ascii") as statm:
            pages = int(statm.read().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory_mib * 2**20
    return limits


def limits_memory(limits: dict[int, int]) -> bool:
    """Whether one of `program_limits` is on memory."""
    return resource is not None and resource.RLIMIT_AS in limits


def limit_program(limits: dict[int, int]) -> None:
    """Hold this process to `program_limits`, whatever becomes of the process that began it."""
    signal.setitimer(signal.ITIMER_REAL, limits[resource.RLIMIT_CPU])
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))


def ran_out_of_time(number: int) -> bool:
    """Whether a process that a signal of this number has ended was over its limit on time."""
    return number in (signal.SIGXCPU, signal.SIGALRM)


def limit_memory(pid: int, most: int) -> None:
    """Limit what a process may allocate to `most` bytes, or to less where less is allowed; Linux alone can."""
    if not hasattr(resource, "prlimit"):
        return
    _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def plainly(error: UnicodeEncodeError) -> tuple[str, int]:
    """What stands for characters that an output cannot write: letters that look alike, else escapes."""
    unwritten = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in unwritten), error.end


def print_plainly(*streams: Any) -> None:
    """Let streams whose encoding lacks a character write another one, where they would raise an error (cp1252)."""
    codecs.register_error("plainly", plainly)
    for stream in streams:
        with contextlib.suppress(AttributeError, ValueError):  # there is none, it is closed, or it is another object
            stream.reconfigure(errors="plainly")


def refused_name(path: Path) -> str:
    """The reason why Windows cannot have such a path, in words, or ""; asked where a user names a folder."""
    windows = PureWindowsPath(path)
    for part in windows.parts[1:] if windows.anchor else windows.parts:
        if DEVICES.match(part):
            return f"{part} is the name of a device of Windows"
        if found := FORBIDDEN.search(part):
            return f"{part!r} holds {found.group()!r}, which Windows has in no name"
        if part != ".." and part.endswith((".", " ")):
            return f"{part!r} ends with {part[-1]!r}, which Windows leaves out"
    return ""
