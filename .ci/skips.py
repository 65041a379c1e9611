"""A plug-in of pytest, `python -m pytest -p skips` with .ci on PYTHONPATH: a skipped test fails the run.

Reasons that only another machine can mend are let pass, counted and printed. They stand here and nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

ALLOWED = {
    r"no published corpora here": "they are not in the repository; where ../shared/data is, .ci/run finds them there",
    r"joeynmt is not installed": "it asks for older libraries than the project's; docs/performance.md gives it a place",
    r"no GPU": "a machine without one",
    r"this processor has no bfloat16 instructions": "an AVX2 machine",
    r"this PyTorch has no oneDNN": "a processor that oneDNN does not serve",
}


def reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many tests, or files whose tests were not even collected, were skipped for which reason."""
    skipped = reporter.stats.get("skipped", [])
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run for a skip that no machine excuses."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and any(not allowed(reason) for reason in reasons(reporter)) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each reason with its number and verdict."""
    terminalreporter.section("skips")
    for reason, n in sorted(reasons(terminalreporter).items()):
        verdict = "allowed" if allowed(reason) else "NOT ALLOWED, fails the run"
        terminalreporter.write_line(f"{n:>4}  {reason} ({verdict})")
    terminalreporter.write_line(f"{sum(reasons(terminalreporter).values()):>4}  skips in all")


def allowed(reason: str) -> bool:
    """Does the list excuse it?"""
    return any(re.search(pattern, reason) for pattern in ALLOWED)
