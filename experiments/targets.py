"""What the project must show, as data: one entry a row of README's table."""

from __future__ import annotations

from dataclasses import dataclass

WITHOUT_DUPLICATES = ("scores", "dev", "exact_match_without_duplicates")
ALL_LINES = ("scores", "dev", "exact_match")


@dataclass(frozen=True)
class Target:
    """One promise: which lines show it, which value counts, and what it must reach."""

    what: str
    suite: str
    rows: tuple[str, ...]  # the `row` of the lines that show it, side by side when there are several
    values: tuple[tuple[str, ...], ...]  # where the values stand in a line; the last one is held to the target
    wanted: str = "reported"  # the target in words
    at_least: float | None = None
    at_most: float | None = None


def generated(split: str, **target) -> Target:
    """The share of a generated split's programs that pass their tests, first where the program is a new one."""
    what = f"quick start, {split.replace('_', ' ')} tasks: programs that pass their tests"
    values = (("scores", split, "tests_passed_new_programs"), ("scores", split, "tests_passed"))
    return Target(what, "quickstart", ("quickstart",), values, **target)


TARGETS = (
    Target(
        "quick start, wall time", "checks", ("quickstart wall time",), (("value",),),
        "at most 12 min on 2 cores", at_most=720,
    ),
    generated("in_distribution", wanted="at least 90%", at_least=0.90),
    generated("compositional"),
    generated("longer"),
    generated("rephrased"),
    Target(
        "Django dev, exact match, from scratch with the copy head", "django", ("django, copy head",),
        (("budget", "seconds"), WITHOUT_DUPLICATES, ALL_LINES),
        "at least 64% of all lines after at most 60 min, 70% aimed at", at_least=0.64,
    ),
    Target(
        "the same without the copy head", "django", ("django, no copy head",),
        (("budget", "seconds"), WITHOUT_DUPLICATES, ALL_LINES),
    ),
    Target(
        "Django dev, exact match after 1,000 training pairs, pretrained against not", "django_1000",
        ("pretrained", "not pretrained"), (WITHOUT_DUPLICATES, ALL_LINES),
    ),
    Target(
        "tokens per second in training, ratio to Hugging Face BART of the same shape", "speed",
        ("training, BART",), (("ratio",),), "at least 1.0", at_least=1.0,
    ),
    Target(
        "quick start, peak memory of all processes", "checks", ("quickstart peak memory",), (("value",),),
        "at most 2 GiB", at_most=2048,
    ),
    Target(
        "`make test`, wall time without the installation", "checks", ("make test",), (("value",),),
        "at most 10 min", at_most=600,
    ),
)
