"""Runs the commands of the pages' ```bash blocks in a copy of the repository, and fails when one of them fails.

    page_commands.py COPY          README.md and every page of docs/
    page_commands.py COPY PAGE...  these pages, to try them; an exception that they do not use is no mistake then

A command runs as it stands, but for those of `.ci/not_run.toml`, each with its reason: they run in a short form, only
where what they need is there, or not at all. README.md runs first; then each core takes page after page, in a copy of
what README.md has left, so that a later command finds what an earlier one of its page made. What has run for README.md
is not run again; `.venv` in a copy is the environment of CI, and CI_STEPS caps what is trained.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from system.cores import usable_cores

BLOCK = re.compile(r"^( *)```bash[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
REMARK = re.compile(r"\s+#\s.*$")
EXCEPTIONS = Path(".ci") / "not_run.toml"
TIME_LIMIT = 600  # seconds for one command
LEFT_OUT = (".git", ".venv", "runs", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "build", "dist")


@dataclass(frozen=True)
class Command:
    """One command of a page, without the remark behind it."""

    page: str
    line: int
    text: str


@dataclass(frozen=True)
class Exempt:
    """Commands that do not run as they stand; `*` stands for anything. With neither of the last two they never run."""

    command: str
    reason: str
    instead: str = ""  # a short form
    needs: str = ""  # "data": runs where $CODEGEN_DATA is a folder, and elsewhere not

    def covers(self, text: str) -> bool:
        """Is this command meant?"""
        return re.fullmatch(".*".join(map(re.escape, self.command.split("*"))), text) is not None


def pages() -> list[Path]:
    """README.md, then every page of docs/."""
    return [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def commands(page: Path) -> list[Command]:
    """The commands of all bash blocks in order; a line that ends with a backslash goes on in the next one."""
    found, content = [], page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(content):
        first = content.count("\n", 0, block.start(2)) + 1
        text = ""
        for number, line in enumerate(block.group(2).splitlines(), start=first):
            text += line.strip()
            if text.endswith("\\"):
                text = text[:-1].rstrip() + " "
                continue
            if text and not text.startswith("#"):
                found.append(Command(page.as_posix(), number, REMARK.sub("", text)))
            text = ""
    return found


def read_exceptions(path: Path = EXCEPTIONS) -> list[Exempt]:
    """The list, in its order; none where there is no such file."""
    if not path.exists():
        return []
    return [Exempt(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["exception"]]


def mistakes(found: list[Command], exceptions: list[Exempt]) -> list[str]:
    """What is wrong with the list: an entry that no command needs, a command that two entries cover, an odd `needs`."""
    wrong = [f"{EXCEPTIONS}: no page has the command {entry.command}" for entry in exceptions
             if not any(entry.covers(command.text) for command in found)]  # fmt: skip
    odd = {entry.needs for entry in exceptions} - {"", "data"}
    wrong += [f"{EXCEPTIONS}: needs = {needs!r} is unknown; there is only data" for needs in sorted(odd)]
    for command in found:
        if sum(entry.covers(command.text) for entry in exceptions) > 1:
            wrong.append(f"{command.page}:{command.line}: two entries of {EXCEPTIONS} cover {command.text}")
    return wrong


def what_runs(command: Command, exceptions: list[Exempt]) -> tuple[str, str]:
    """The command that is run in the place of the page's, "" where none is; and why it is not the page's."""
    entry = next((entry for entry in exceptions if entry.covers(command.text)), None)
    if entry is None:
        return command.text, ""
    if entry.needs == "data":
        if not Path(os.environ.get("CODEGEN_DATA") or "/nowhere").is_dir():
            return "", f"no published corpora here: {entry.reason}"
        return (entry.instead, f"short form: {entry.reason}") if entry.instead else (command.text, "")
    return entry.instead, f"short form: {entry.reason}" if entry.instead else entry.reason


def copy_repository(copy: Path, venv: Path) -> None:
    """Copy the working tree with its times, so that make sees a finished set-up, and link the environment."""
    shutil.copytree(".", copy, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    (copy / ".venv").symlink_to(venv)


def run(text: str, command: Command, copy: Path, environment: dict[str, str]) -> tuple[str, float]:
    """Run one command; its verdict and its seconds. What it printed is shown when it failed."""
    start = time.monotonic()
    try:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=copy, env=environment, timeout=TIME_LIMIT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        verdict, output = "ok" if result.returncode == 0 else f"exit {result.returncode}", result.stdout
    except subprocess.TimeoutExpired as error:
        verdict, output = f"over {TIME_LIMIT} s", error.stdout or b""
    if verdict != "ok":
        last = output.decode("utf-8", "replace").splitlines()[-60:]
        print(f"\n--- {command.page}:{command.line}: {text}\n" + "\n".join(last) + "\n---\n", flush=True)
    return verdict, time.monotonic() - start


def forget_runs(texts: list[str], copy: Path) -> None:
    """Delete the run folders that these commands make: another page may have made one of that name."""
    for text in texts:
        made = re.match(r"python train\.py.* --run (runs/[\w-]+)", text)
        if made and " --resume" not in text and " --overwrite" not in text:
            shutil.rmtree(copy / made.group(1), ignore_errors=True)


def run_page(
    found: list[Command], exceptions: list[Exempt], copy: Path, ran: dict[str, str], **settings: str
) -> Counter[str]:
    """Run what is to be run of one page, print one row for each command: how many came out how.

    `ran`: what has run in this copy, and the page where it did; this page's commands are added. `settings` go into the
    environment of the commands.
    """
    venv = Path(sys.prefix)
    environment = {key: value for key, value in os.environ.items() if key not in ("VENV", "MAKEFLAGS", "MAKELEVEL")}
    environment |= {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(venv)} | settings
    environment.setdefault("CI_STEPS", "20")
    forget_runs([command.text for command in found], copy)
    counts: Counter[str] = Counter()
    for command in found:
        text, why = what_runs(command, exceptions)
        if text and ran.setdefault(text, command.page) != command.page:
            why, text = f"ran for {ran[text]}", ""
        verdict, seconds = run(text, command, copy, environment) if text else ("not run", 0.0)
        counts["failed" if verdict not in ("ok", "not run") else verdict] += 1
        remark = f"  ({why}{': ' + text if text else ''})" if why else ""
        print(f"{verdict:<10} {seconds:>7.1f}  {command.page}:{command.line}: {command.text}{remark}", flush=True)
    return counts


def run_all(found: list[Command], exceptions: list[Exempt], copy: Path) -> Counter[str]:
    """Run the first page, then the others, each core its own page in a copy of what the first one left."""
    copy_repository(copy, Path(sys.prefix))
    print(f"{'verdict':<10} {'seconds':>7}  command", flush=True)
    first, *others = [list(page) for _, page in groupby(found, key=lambda command: command.page)]
    ran: dict[str, str] = {}  # what has run -> the page where it did
    counts = run_page(first, exceptions, copy, ran)
    lanes = [copy, *(copy.with_name(f"{copy.name}_{number}") for number in range(1, min(usable_cores(), len(others))))]
    for lane in lanes[1:]:
        shutil.copytree(copy, lane, symlinks=True)
    queue = iter(others)  # all lanes draw from it; a thread's next() on a list's iterator is one step

    def run_pages(lane: Path) -> Counter[str]:
        known = dict(ran)  # one thread for each lane: more would wait for each other
        return sum((run_page(page, exceptions, lane, known, OMP_NUM_THREADS="1") for page in queue), Counter())

    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(run_pages, lanes), counts)


def main(copy: Path, chosen: list[Path]) -> int:
    """Run the pages' commands; 1 when one failed, or when the list of exceptions is wrong."""
    found = [command for page in chosen or pages() for command in commands(page)]
    exceptions = read_exceptions()
    wrong = mistakes(found, exceptions) if not chosen else []
    if not found:
        wrong.append("no command in a ```bash block")
    counts = run_all(found, exceptions, copy) if found else Counter()
    print(f"{len(found)} commands, {counts['ok']} ran, {counts['not run']} did not, {counts['failed']} failed")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if counts["failed"] or wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), [Path(page) for page in sys.argv[2:]]))
