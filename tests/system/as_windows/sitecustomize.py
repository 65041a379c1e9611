"""Makes Linux refuse what Windows refuses, as far as the project's own code asks for it.

    PYTHONPATH=tests/system/as_windows:. python train.py ...

Python reads this file when it starts, in processes that a command begins as well. Libraries keep what they have.
"""

import builtins
import os
import signal
import subprocess  # noqa: F401  before Python seems to be Windows': it and the next ones choose by what they find
import sys
from pathlib import Path, PureWindowsPath  # noqa: F401

import psutil  # noqa: F401

ROOT = str(Path(__file__).resolve().parents[3])
MODULES = {"resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "readline"}
NAMES = {
    os: ("fork", "forkpty", "killpg", "setsid", "getpgid", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "WNOHANG",
         "mkfifo", "sysconf", "getuid", "geteuid", "chown", "sched_getaffinity"),
    signal: ("SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGCHLD", "SIGKILL", "setitimer", "alarm", "pause"),
}  # fmt: skip
really_import, really_open = builtins.__import__, os.open
really = {name: getattr(os, name) for name in ("replace", "rename", "unlink", "remove")}


def is_own(file: str) -> bool:
    """Whether a file is the project's code, and no test."""
    return file.startswith(ROOT) and "site-packages" not in file and not file.startswith(os.path.join(ROOT, "tests"))


def import_as_windows(name, globals=None, locals=None, fromlist=(), level=0):
    """`import`, without Unix' modules for the project."""
    if name in MODULES and is_own(str((globals or {}).get("__file__", ""))):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return really_import(name, globals, locals, fromlist, level)


def open_as_windows(path, *more, **named):
    """`os.open`, which opens no folder for the project."""
    if is_own(sys._getframe(1).f_code.co_filename) and os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return really_open(path, *more, **named)


def in_use(path) -> bool:
    """Whether this process holds a file open, or one in a folder, or has it as memory."""
    real = os.path.realpath(path)
    held = []
    for number in os.listdir("/proc/self/fd"):
        try:
            held.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        held += [line.split(maxsplit=5)[-1].strip() for line in maps if "/" in line]
    return any(name == real or name.startswith(real + os.sep) for name in held)


def unless_in_use(name):
    """A function of `os` that refuses files in use, the new name of a renamed one as well."""

    def call(*paths, **named):
        if not named and any(in_use(path) for path in paths):
            raise PermissionError(13, "The process cannot access the file because it is being used", str(paths[0]))
        return really[name](*paths, **named)

    return call


def refuse_names(event, given):
    """An audit hook: no file or folder of a name that Windows cannot have."""
    path = given[0] if event in ("open", "os.mkdir") and given else None
    if isinstance(path, str) and not path.startswith(("/proc", "/sys", "/dev")):
        name = os.path.basename(path)
        if set(name) & set('<>:"|?*') or (name.strip(".") and name[-1] in ". "):
            raise OSError(22, "Invalid argument", path)


def for_libraries(module, kept):
    """A module's `__getattr__`: names that libraries still find, and the project does not."""

    def look(name):
        if name not in kept or is_own(sys._getframe(1).f_code.co_filename):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return kept[name]

    return look


builtins.__import__ = import_as_windows
os.open = open_as_windows
for name in really:
    setattr(os, name, unless_in_use(name))
for module, names in NAMES.items():
    there = [name for name in names if hasattr(module, name)]
    kept = {name: getattr(module, name) for name in there}
    for name in there:
        delattr(module, name)
    module.__getattr__ = for_libraries(module, kept)
sys.addaudithook(refuse_names)
if ROOT in sys.path:
    sys.platform, here = "win32", sys.platform
    import system.platform  # noqa: F401  it looks once

    sys.platform = here
