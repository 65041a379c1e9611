"""The server that run.py starts: it runs programs one after another, each in a fresh process forked from this one.

It is a program of its own and imports the standard library and system/platform.py only: small, so that a fork takes a
millisecond, and of one thread, so that a fork is safe. Neither holds for a process that has imported torch. Windows
cannot fork: there each program has a Python started for it, with a limit on time alone.
It reads one JSON object a line from standard input, {"code", "tests", "restricted"}, and answers each with one line,
{"status", "message"}. The line before says whether this system can limit memory. It ends with its input.
"""

import builtins
import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time

from system.platform import (
    CAN_FORK,
    end_group,
    fork,
    lead_group,
    limit_program,
    limits_memory,
    program_limits,
    ran_out_of_time,
)

LONGEST_MESSAGE = 300  # characters of an error that are passed on
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
ONE_PROGRAM = "one"  # in the place of the folder, where a process runs one program


def main() -> None:
    """Serve until standard input ends.

    Arguments: seconds, MiB, the builtins of a restricted program, and a folder that the parent will remove.
    """
    time_limit, memory_limit, names, folder = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(), sys.argv[4]
    project = os.environ.pop("PYTHONPATH")
    sys.path.remove(project)  # programs find no folder of ours
    allowed = {name: getattr(builtins, name) for name in names if hasattr(builtins, name)}
    if folder == ONE_PROGRAM:
        answer(run_program(json.load(sys.stdin), allowed))
        return
    limits = program_limits(time_limit, memory_limit) if CAN_FORK else {}
    adopt_orphans()
    compile("", "", "exec")  # the first call makes the types of syntax trees, 3 ms that every fork would pay again
    answer({"memory_limited": limits_memory(limits)})
    for number, line in enumerate(sys.stdin.buffer):
        own_folder = os.path.join(folder, str(number))
        os.mkdir(own_folder)
        if CAN_FORK:
            answer(run_in_fork(json.loads(line), own_folder, time_limit, limits, allowed))
        else:
            answer(run_in_python(line, own_folder, time_limit, project))


def answer(message: dict) -> None:
    """Write one line to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def run_in_fork(job: dict, folder: str, time_limit: float, limits: dict, allowed: dict) -> dict:
    """Run one job in a process of its own and end everything that it started."""
    read_end, write_end = os.pipe()
    deadline = time.monotonic() + time_limit
    pid = fork()
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


def run_in_python(job: bytes, folder: str, time_limit: float, project: str) -> dict:
    """Run one job (a line of JSON) in a Python that is started for it, where there is no fork."""
    command = [sys.executable, *sys.orig_argv[1:-1], ONE_PROGRAM]
    environment = {**os.environ, "PYTHONPATH": project}
    try:
        report = subprocess.run(
            command, input=job, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, env=environment,
            timeout=time_limit,
        ).stdout
    except subprocess.TimeoutExpired:
        return {"status": "time", "message": f"still running after {time_limit:g} seconds"}
    return parse_report(report) or {"status": "error", "message": "the process ended before its tests did"}


def be_the_program(job: dict, write_end: int, folder: str, limits: dict, allowed: dict) -> None:
    """Be the forked process: limit itself, run, report, and end without returning."""
    outcome = {"status": "error", "message": "the limits could not be set"}
    try:
        lead_group()
        detach(write_end, folder)
        limit_program(limits)
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
    if ran_out_of_time(number):
        return {"status": "time", "message": "out of processor time"}
    how = f"signal {number}" if number else f"exit status {os.WEXITSTATUS(status)}"
    return {"status": "error", "message": f"the process ended before its tests did ({how})"}


def end(pid: int) -> int:
    """End the process and its group, whatever they are doing; returns the wait status."""
    end_group(pid)
    return os.waitpid(pid, 0)[1]


def adopt_orphans() -> None:
    """On Linux, become the parent of processes that a program leaves behind in groups of their own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Kill the processes that a program has left behind, until none is left."""
    children = f"/proc/self/task/{os.getpid()}/children"
    while os.path.exists(children):
        with open(children, encoding="ascii") as listing:
            pids = [int(pid) for pid in listing.read().split()]
        if not pids:
            return
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
