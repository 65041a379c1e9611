"""Runs every command of a page's ```bash blocks in a copy of the repository, and fails when one of them fails.

A line that ends with `# not run in CI: reason` is listed with its reason instead. The commands run one after the
other in one copy, so that a later one finds what an earlier one made; `.venv` there is the environment of CI, and
CI_STEPS caps what they train. Usage: readme_commands.py README.md COPY
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^( *)```bash[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"\s+#\s*not run in CI:\s*(\S.*)$")
TIME_LIMIT = 600  # seconds for one command
LEFT_OUT = (".git", ".venv", "runs", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "build", "dist")


@dataclass(frozen=True)
class Command:
    """One command of the page: its line, its text, and why it is not run ("" when it is)."""

    line: int
    text: str
    reason: str = ""


def commands(page: str) -> list[Command]:
    """The commands of all bash blocks in order; a line that ends with a backslash goes on in the next one."""
    found = []
    for block in BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(2)) + 1
        text = ""
        for number, line in enumerate(block.group(2).splitlines(), start=first):
            text += line.strip()
            if text.endswith("\\"):
                text = text[:-1].rstrip() + " "
                continue
            skipped = NOT_RUN.search(text)
            if text and not text.startswith("#"):
                found.append(Command(number, NOT_RUN.sub("", text), skipped.group(1) if skipped else ""))
            text = ""
    return found


def copy_repository(copy: Path, venv: Path) -> None:
    """Copy the working tree with its times, so that make sees a finished set-up, and link the environment."""
    shutil.copytree(".", copy, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    (copy / ".venv").symlink_to(venv)


def run(command: Command, copy: Path, environment: dict[str, str]) -> tuple[str, float]:
    """Run one command; its verdict and its seconds. What it printed is shown when it failed."""
    start = time.monotonic()
    try:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.text], cwd=copy, env=environment, timeout=TIME_LIMIT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        verdict, output = "ok" if result.returncode == 0 else f"exit {result.returncode}", result.stdout
    except subprocess.TimeoutExpired as error:
        verdict, output = f"over {TIME_LIMIT} s", error.stdout or b""
    if verdict != "ok":
        last = output.decode("utf-8", "replace").splitlines()[-60:]
        print(f"\n--- line {command.line}: {command.text}\n" + "\n".join(last) + "\n---\n", flush=True)
    return verdict, time.monotonic() - start


def main(page: Path, copy: Path) -> int:
    """Run the page's commands and print one row for each."""
    found = commands(page.read_text(encoding="utf-8"))
    if not found:
        print(f"{page} holds no command in a ```bash block")
        return 1
    venv = Path(sys.prefix)
    copy_repository(copy, venv)
    environment = {key: value for key, value in os.environ.items() if key not in ("VENV", "MAKEFLAGS", "MAKELEVEL")}
    environment |= {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(venv)}
    environment.setdefault("CI_STEPS", "20")
    n_failed = 0
    print(f"{'line':>4}  {'verdict':<10} {'seconds':>7}  command", flush=True)
    for command in found:
        verdict, seconds = ("not run", 0.0) if command.reason else run(command, copy, environment)
        n_failed += verdict not in ("ok", "not run")
        remark = f"  ({command.reason})" if command.reason else ""
        print(f"{command.line:>4}  {verdict:<10} {seconds:>7.1f}  {command.text}{remark}", flush=True)
    print(f"{len(found)} commands, {n_failed} failed")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
