"""The process in which a student's code runs, as the grader sees it.

It gets arguments and gives back what the function returned (student_file.py); truth and verdict stay here. Whatever the
code does, an endless loop, an exit, a crash, processes of its own, it cannot write the verdict, and is ended with all
that it has begun.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any

from system.own_packages import OWN_PACKAGES
from system.platform import end_group, limit_memory, of_own_group
from teaching.exercises.exercise import Exercise
from teaching.exercises.grading import CannotBeGraded, Verdict, answer_of, cases_of, copied, graded
from teaching.exercises.student_file import Message, decode, encode

PROGRAM = Path(__file__).with_name("student_file.py")
SECONDS = 10.0  # for a student's code; the solutions take milliseconds
GRACE = 5.0  # seconds for a process that does not end itself then
MOST_MEMORY = 4 * 2**30  # bytes, on Linux; other systems hold no such limit
MOST_PRINTED = 100_000  # bytes that are kept of what the code prints
MOST_SENT = 100 * 2**20  # bytes of a line from the process, and
MOST_CALLED = 2**18  # of one that calls a function
TOO_MUCH = {"error": ["ValueError", "the arguments are larger than any that this exercise needs"]}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # small arrays: others would only wait


class Job:
    """A student's file and the graded data, as they are sent; the functions among the data stay here."""

    def __init__(self, exercise: Exercise, path: Path, seconds: float = SECONDS) -> None:
        self.exercise, self.given = exercise, []
        self.message = {
            "name": exercise.name, "path": str(path.resolve()), "seconds": seconds,
            "hidden": [*OWN_PACKAGES, "train", "eval"],
            "cases": [encode(list(copied(case.arguments)), self.give) for case in cases_of(exercise)],
        }  # fmt: skip

    def give(self, value: Any) -> Message:
        """The number of a function or object, with the fields that a student may know."""
        self.given.append(value)
        number, known = len(self.given) - 1, fields(value) if is_dataclass(value) else ()
        return {
            "given": number,
            "fields": {field.name: encode(getattr(value, field.name), self.give) for field in known if field.repr},
        }

    def read(self, value: Any) -> Any:
        """What a student's process has sent. Raises ValueError, TypeError, IndexError and so on where it is nothing."""
        return decode(value, lambda number, _: self.given[number])

    def call(self, message: Message) -> Message:
        """The reply to a call of one of the functions."""
        try:
            value = self.given[message["call"]](*self.read(message["arguments"]), **self.read(message["named"]))
            return {"value": encode(value, self.give)}
        except Exception as error:
            return {"error": [type(error).__name__, str(error)]}

    def verdict(self, message: Message) -> Verdict:
        """The verdict on what the process has sent last."""
        exercise = self.exercise
        try:
            parts = [
                answer_of(exercise, self.read(sent["answer"]), case.arguments, tuple(self.read(sent["arguments"])))
                for sent, case in zip(message["cases"], cases_of(exercise))
            ]
            status, problem = message["problem"] or ("", "")
            if status != "unfinished" and len(parts) < len(cases_of(exercise)):
                raise CannotBeGraded(str(problem) or "its process sent no answers")
            verdict = graded(exercise, parts) if not status else None
            verdict = verdict or Verdict("unfinished", f"{exercise.name}: not finished, {problem}")
        except CannotBeGraded as problem:
            verdict = broken(exercise, str(problem))
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError):
            verdict = broken(exercise, "its process sent what is no answer; what writes in its place?")
        said = message.get("prediction") if isinstance(message, dict) else ""
        verdict.prediction = said.strip() if isinstance(said, str) else ""
        return verdict


def broken(exercise: Exercise, problem: str) -> Verdict:
    """The verdict on code that gave no answer."""
    return Verdict("broken", f"{exercise.name}: cannot be graded, {problem}")


def run(name: str, path: Path, seconds: float = SECONDS) -> tuple[Verdict, str]:
    """Grade a file in a process of its own: the verdict, and what the code printed."""
    from teaching.exercises.catalogue import EXERCISES  # with torch, for which the list of exercises need not wait

    return run_exercise(EXERCISES[name], path, seconds)


def run_exercise(exercise: Exercise, path: Path, seconds: float = SECONDS) -> tuple[Verdict, str]:
    """The same for an exercise that no catalogue needs to have."""
    job, printed, last = Job(exercise, path, seconds), bytearray(), []
    pipe = subprocess.PIPE
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, "-u", "-X", "utf8", "-P", str(PROGRAM)], cwd=folder, stdin=pipe, stdout=pipe,
            stderr=pipe, env=os.environ | ONE_THREAD, **of_own_group(),
        )
        try:
            limit_memory(process.pid, MOST_MEMORY)
            reading = begin(keep, process.stderr, printed)
            answering = begin(converse, process, job, last)
            answering.join(seconds + GRACE)
            in_time = not answering.is_alive()
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE if in_time else 0)
        finally:
            end_group(process.pid)
            process.wait()
        reading.join(1)  # for ever where a process that left the group holds the other end
    if last:
        return job.verdict(last[0]), printed.decode("utf-8", "replace")
    problem = f"its process ended with status {process.returncode} before there was an answer; what ends or blocks it?"
    if not in_time:
        problem = f"still running after {seconds:g} s; what blocks it?"
    return broken(exercise, problem), printed.decode("utf-8", "replace")


def begin(function: Any, *arguments: Any) -> threading.Thread:
    """A thread that is not waited for when the command ends."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def keep(stream: IO[bytes], printed: bytearray) -> None:
    """Keep the first MOST_PRINTED bytes of a stream, and read the rest: an endless loop may print without end."""
    while block := stream.read1(2**16):
        printed += block[: MOST_PRINTED - len(printed)]


def converse(process: subprocess.Popen, job: Job, last: list[Message]) -> None:
    """Send the job, answer calls, and put the message that is none into `last`; nothing where the process ends."""
    with suppress(OSError, ValueError, RecursionError):  # the process is gone, or sends what is no JSON
        message = job.message
        while True:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline(MOST_SENT)
            received = json.loads(line)
            if not isinstance(received, dict) or "call" not in received:
                last.append(received)
                return
            message = job.call(received) if len(line) < MOST_CALLED else TOO_MUCH
