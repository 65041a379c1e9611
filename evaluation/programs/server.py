"""The server that run.py starts: it runs programs one after another, each in a fresh process forked from this one.

It is a program of its own and imports the standard library only: small, so that a fork takes a millisecond, and of
one thread, so that a fork is safe. Neither holds for a process that has imported torch.
It reads one JSON object a line from standard input, {"code", "tests", "restricted"}, and answers each with one line,
{"status", "message"}. The line before says whether this system can limit memory. It ends with its input.
"""

import builtins
import contextlib
import ctypes
import json
import math
import os
import resource
import select
import signal
import sys
import time

LONGEST_MESSAGE = 300  # characters of an error that are passed on
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
STATM = "/proc/self/statm"  # Linux: sizes of this process in pages, the address space first


def main() -> None:
    """Serve until standard input ends.

    Arguments: seconds, MiB, the builtins of a restricted program, and a folder that the parent will remove.
    """
    time_limit, memory_limit, names, folder = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(), sys.argv[4]
    limits = resource_limits(time_limit, memory_limit)
    allowed = {name: getattr(builtins, name) for name in names if hasattr(builtins, name)}
    adopt_orphans()
    compile("", "", "exec")  # the first call makes the types of syntax trees, 3 ms that every fork would pay again
    answer({"memory_limited": resource.RLIMIT_AS in limits})
    for number, line in enumerate(sys.stdin.buffer):
        own_folder = os.path.join(folder, str(number))
        os.mkdir(own_folder)
        answer(run_in_fork(json.loads(line), own_folder, time_limit, limits, allowed))


def answer(message: dict) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def resource_limits(time_limit: float, memory_limit: int) -> dict:
    """The limits that the kernel enforces on a program; the server's own deadline comes before the one on time."""
    seconds = math.ceil(time_limit) + 1
    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_NPROC: 0}
    if os.path.exists(STATM):
        with open(STATM) as statm:
            pages = int(statm.read().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory_limit * 2**20
    return limits


def run_in_fork(job: dict, folder: str, time_limit: float, limits: dict, allowed: dict) -> dict:
    """Run one job in a process of its own and end everything that it started."""
    read_end, write_end = os.pipe()
    deadline = time.monotonic() + time_limit
    pid = os.fork()
    if pid == 0:
        be_the_program(job, write_end, folder, limits, allowed)
    os.close(write_end)
    in_time = select.select([read_end], [], [], max(0.0, deadline - time.monotonic()))[0]
    report = os.read(read_end, 4096) if in_time else b""
    os.close(read_end)
    status = end(pid)
    end_orphans()
    if not in_time:
        return {"status": "time", "message": f"still running after {time_limit:g} seconds"}
    return parse_report(report) or cause_of_death(status)


def be_the_program(job: dict, write_end: int, folder: str, limits: dict, allowed: dict) -> None:
    """Be the forked process: limit itself, run, report, and end without returning."""
    outcome = {"status": "error", "message": "the limits could not be set"}
    try:
        os.setsid()
        detach(write_end, folder)
        signal.setitimer(signal.ITIMER_REAL, limits[resource.RLIMIT_CPU])  # ends it if the server is killed meanwhile
        for kind, value in limits.items():
            resource.setrlimit(kind, (value, value))
        outcome = run_program(job, allowed)
    finally:
        os.write(write_end, json.dumps(outcome).encode())
        os._exit(0)


def detach(write_end: int, folder: str) -> None:
    """Leave the server's folder and files: the program can read nothing, and its output is discarded."""
    os.chdir(folder)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3, write_end)
    os.closerange(write_end + 1, 1024)


def run_program(job: dict, allowed: dict) -> dict:
    """Execute the code, then each test; passed when nothing raises, `SystemExit` included."""
    namespace = {"__name__": "program", "__builtins__": allowed if job["restricted"] else builtins}
    try:
        exec(compile(job["code"], "<program>", "exec"), namespace)
        if job["restricted"]:
            replaced = [name for name in namespace if hasattr(builtins, name) and not name.startswith("__")]
            if replaced:  # a test may be made of it: `assert f(xs) == sorted(ys)`
                return {"status": "refused", "message": f"it puts something else in the place of {replaced[0]}"}
            namespace["__builtins__"] = builtins  # for the tests; functions of the program keep what they have
        for test in job["tests"]:
            exec(compile(test, "<test>", "exec"), namespace)
    except MemoryError:
        return {"status": "memory", "message": "out of memory"}
    except BaseException as error:
        return {"status": "failed", "message": error_in_words(error)}
    return {"status": "passed", "message": ""}


def error_in_words(error: BaseException) -> str:
    """The error in one short line; its own text may fail to be made."""
    text = ""
    with contextlib.suppress(BaseException):
        text = f": {error}" if str(error) else ""
    return " ".join(f"{type(error).__name__}{text[:LONGEST_MESSAGE]}".split())


def parse_report(report: bytes) -> dict | None:
    """The program's report, or None where it ended without one."""
    try:
        outcome = json.loads(report)
        return {"status": str(outcome["status"]), "message": str(outcome["message"])}
    except (ValueError, TypeError, KeyError):
        return None


def cause_of_death(status: int) -> dict:
    """The cause of death of a process that did not report, by its wait status."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number in (signal.SIGXCPU, signal.SIGALRM):
        return {"status": "time", "message": "out of processor time"}
    how = f"signal {number}" if number else f"exit status {os.WEXITSTATUS(status)}"
    return {"status": "error", "message": f"the process ended before its tests did ({how})"}


def end(pid: int) -> int:
    """Kill the process and its group, whatever they are doing; returns the wait status."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: no permission to kill a zombie's group
            kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def adopt_orphans() -> None:
    """On Linux, become the parent of processes that a program leaves behind in groups of their own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Kill the processes that a program has left behind, until none is left."""
    children = f"/proc/self/task/{os.getpid()}/children"
    while os.path.exists(children):
        with open(children) as listing:
            pids = [int(pid) for pid in listing.read().split()]
        if not pids:
            return
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
