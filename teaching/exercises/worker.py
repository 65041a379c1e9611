"""The process in which a student's code runs: `python -m teaching.exercises.worker NAME FILE VERDICT`.

A process of its own, so that nothing that the code does can harm the grader: an endless loop, an exit, a crash.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

from teaching.exercises.grading import Verdict

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0  # for a student's code; the solutions take milliseconds
MOST_MEMORY = 4 * 2**30  # bytes, on Linux; macOS does not hold such a limit
MOST_PRINTED = 100_000  # bytes that are kept of what the code prints


def run(name: str, path: Path, seconds: float = SECONDS) -> tuple[Verdict, str]:
    """Grade a file in a process of its own: the verdict, and what the code printed."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "verdict.json"
        command = [sys.executable, "-m", "teaching.exercises.worker", name, str(path.resolve()), str(answer)]
        with subprocess.Popen(
            [*command, str(seconds)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            printed = process.stdout.read(MOST_PRINTED).decode("utf-8", "replace")
            while process.stdout.read(MOST_PRINTED):
                pass  # the rest of what an endless loop prints
        if answer.exists():
            return Verdict(**json.loads(answer.read_text(encoding="utf-8"))), printed
    problem = f"its process ended with status {process.returncode} before there was an answer; what ends or blocks it?"
    return Verdict("broken", f"{name}: cannot be graded, {problem}"), printed


def limit_memory() -> None:
    """Limit this process to MOST_MEMORY, or to less where less is allowed; code that needs more gets an error."""
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def main(name: str, path: Path, answer: Path, seconds: float) -> None:
    """Grade one file and write the verdict as JSON to `answer`."""
    import torch  # here, for the process that lists exercises need not wait for it

    from teaching.exercises.catalogue import EXERCISES
    from teaching.exercises.student_file import grade_file

    torch.set_num_threads(1)
    limit_memory()
    warnings.simplefilter("ignore")  # NumPy's, about what the verdict says better
    # The last resort, for code that lets no signal through: ends the process, and so leaves no answer.
    with tempfile.TemporaryFile() as unread:
        faulthandler.dump_traceback_later(seconds + 5, exit=True, file=unread)
        verdict = grade_file(EXERCISES[name], path, seconds)
        faulthandler.cancel_dump_traceback_later()
    answer.write_text(json.dumps(asdict(verdict)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
