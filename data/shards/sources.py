"""The files that a corpus is built of, their order, and the files left out by their names or their look."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from data.mining.packages import (
    FOREIGN_FOLDERS,
    NEVER_MINED,
    NoPythonFiles,
    Package,
    installed_package,
    is_own_code,
    normalised_name,
    refuse_benchmarks,
    standard_library,
)
from system.errors import UserError

UNIT_BYTES = 2_000_000  # of source in one unit of work
LANGUAGE_OF_ENDING = {  # by the end of a file's name
    ".py": "python", ".sh": "bash", ".bash": "bash", ".js": "javascript", ".ts": "typescript", ".java": "java",
    ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cs": "csharp", ".go": "go", ".rs": "rust",
    ".rb": "ruby", ".php": "php", ".kt": "kotlin", ".scala": "scala", ".swift": "swift", ".sql": "sql", ".r": "r",
    ".jl": "julia", ".md": "text", ".rst": "text", ".txt": "text",
}  # fmt: skip
LONGEST_LINE, MEAN_LINE, LEAST_LETTERS = 1000, 100, 0.25  # as in Chen et al. 2021, section 3.1
PROJECT = "codegen-transformer"  # whose dependencies are mined when nothing is named


@dataclass(frozen=True)
class Origin:
    """A package or a folder, and its files in order."""

    name: str
    version: str
    licence: str
    files: tuple[tuple[str, Path], ...]  # (path inside it, path on disk)
    is_package: bool


@dataclass(frozen=True)
class Unit:
    """Neighbouring files of one origin: what one worker does at a time."""

    origin: str
    is_package: bool
    files: tuple[tuple[str, str], ...]  # (path inside the origin, path on disk)


def default_packages() -> list[str]:
    """The project's own dependencies and theirs, as far as they are installed, by name."""
    found: set[str] = set()
    wanted = [PROJECT]
    while wanted:
        name = wanted.pop()
        for requirement in requirements(name):
            if requirement not in found and normalised_name(requirement) not in NEVER_MINED:
                found.add(requirement)
                wanted.append(requirement)
    return sorted(found)


def requirements(name: str) -> list[str]:
    """The installed requirements of an installed distribution, without those of extras and of other systems."""
    try:
        needed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    names = [re.match(r"[\w.-]+", line)[0] for line in needed if "extra ==" not in line]
    return [normalised_name(name) for name in names if is_installed(name)]


def is_installed(name: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def package_origins(names: Iterable[str]) -> list[Origin]:
    """The standard library, and the packages that have Python files of their own."""
    origins = [package_origin(standard_library(), "PSF-2.0")]
    for name in names:
        with contextlib.suppress(NoPythonFiles):  # a package of compiled code, or of data
            origins.append(package_origin(installed_package(name), licence_of(name)))
    return origins


def package_origin(package: Package, licence: str) -> Origin:
    """The origin of a package's files."""
    return Origin(package.name, package.version, licence, package.files, True)


def licence_of(name: str) -> str:
    """The licence of a distribution by its metadata, on one line."""
    about = metadata.metadata(name)
    named = about.get("License-Expression") or about.get("License") or ""
    classifiers = about.get_all("Classifier") or ()
    classified = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License")]
    if "\n" in named or "Copyright" in named:  # some put the whole text there
        named = ""
    return named or ", ".join(classified) or "see the package"


def folder_origin(folder: Path) -> Origin:
    """The files of a folder whose languages are known, without tests, hidden folders and benchmarks' own code.

    Raises UserError where it is no folder or has no such file.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give folders of code and text")
    folder = folder.resolve()
    refuse_benchmarks(folder.name, {folder.name})
    files = sorted(folder_files(folder))
    if not files:
        endings = " ".join(LANGUAGE_OF_ENDING)
        raise UserError(f"{folder} holds no file with one of the endings {endings}; give another folder")
    return Origin(folder.name, "", "as the folder says", tuple(files), False)


def folder_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path inside the folder, path on disk), in no order."""
    left_out = FOREIGN_FOLDERS | set(NEVER_MINED)
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".") and normalised_name(name) not in left_out]
        for name in names:
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            if path.suffix.lower() in LANGUAGE_OF_ENDING and is_own_code(inside) and path.is_file():
                yield inside, path


def units_of(origins: Iterable[Origin]) -> list[Unit]:
    """Units of at most about UNIT_BYTES, a larger file alone in its own."""
    units = []
    for origin in origins:
        files: list[tuple[str, str]] = []
        size = 0
        for inside, path in origin.files:
            length = path.stat().st_size
            if files and size + length > UNIT_BYTES:
                units.append(Unit(origin.name, origin.is_package, tuple(files)))
                files, size = [], 0
            files.append((inside, os.fspath(path.absolute())))
            size += length
        if files:
            units.append(Unit(origin.name, origin.is_package, tuple(files)))
    return units


def why_not(text: str, language: str) -> str:
    """The reason why a file's text is left out, or "": minified code, tables and encoded data are not for reading."""
    lines = text.split("\n")
    too_long = max(map(len, lines)) > LONGEST_LINE or len(text) / len(lines) > MEAN_LINE
    if too_long and language != "text":  # a paragraph of prose may be one line
        return "files of long lines: minified or data"
    if sum(map(str.isalpha, text)) < LEAST_LETTERS * len(text):
        return "files of hardly any letters: data"
    return ""
