"""Pairs and unlabelled text mined from installed Python code: the corpus "mined" (chapter 2.1, what is pretrained on).

Split by top-level module, never by function: neighbours in a file share names and idioms, and a model that has seen
one half of a module knows the other half too well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data.config import DataConfig
from data.corpora.held_out import part_of
from data.example import BadRecords, Example
from data.mining.packages import installed_package, is_generated, module_name, standard_library
from data.mining.parsed_files import parse_files
from system.errors import UserError

DEV_PERCENT = 5  # share of the standard library's top-level modules whose functions are held back


@dataclass(frozen=True)
class MinedFile:
    """The result of data.mining.python_functions.mine for one file, and the file's module."""

    module: str
    split: str  # train or dev
    found: dict[str, list]


@dataclass
class MinedSource:
    """Described functions with a train and a dev split, and unlabelled code and text of the train modules."""

    files: list[MinedFile]  # dev modules first: of two equal functions the first is kept, so dev loses none to train
    packages: dict[str, dict[str, Any]]
    bad: BadRecords
    name: str = "mined"
    language: str = "python"

    def splits(self) -> dict[str, Iterator[Example]]:
        """Described functions, each near duplicate once: "train" and "dev" share no top-level module."""
        return {"train": self.pairs("train"), "dev": self.pairs("dev")}

    def pairs(self, split: str) -> Iterator[Example]:
        """The pairs of a split: first sentence of the docstring -> function without it; id "module:qualified name"."""
        seen: set[str] = set()
        used: dict[str, int] = {}
        for file in self.files:
            for name, description, code, key in file.found["functions"]:
                if key in seen:
                    continue
                seen.add(key)
                if file.split == split:
                    id = f"{file.module}:{name}"
                    used[id] = used.get(id, 0) + 1
                    yield Example(id if used[id] == 1 else f"{id}#{used[id]}", description, code)

    def unlabelled(self) -> Iterator[Example]:
        """Code and text of the train modules for pretraining, in pieces of at most about 256 tokens.

        Code: every function without its docstring, described or not, then what stands outside functions. Text
        (language "text"): docstrings and longer comments. Duplicates come once, and nothing that dev holds.
        """
        seen: set[str] = set()
        for file in self.files:
            is_train = file.split == "train"
            for kind, language in (("code", "python"), ("text", "text")):
                for number, (line, content, *key) in enumerate(file.found[kind]):
                    mark = key[0] if key else content
                    if mark not in seen and is_train:
                        yield Example(f"{file.module}:{kind}:{line}.{number}", None, content, language)
                    seen.add(mark)

    def provenance(self) -> dict[str, dict[str, Any]]:
        """Package -> its version, the number of files that were read, and the SHA-256 of their contents."""
        return self.packages


def mined_source(config: DataConfig) -> MinedSource:
    """The standard library and `config.packages`, parsed in parallel or read from the cache.

    Raises UserError for a package that is not installed or that a benchmark was taken from, and, with
    `config.strict`, for a file that does not parse.
    """
    wanted = [installed_package(name) for name in config.packages]
    files, provenance, bad = [], {}, BadRecords()
    for package in [standard_library(), *wanted]:
        contents = {inside: path.read_bytes() for inside, path in package.files}
        own = [(inside, path) for inside, path in package.files if not is_generated(contents[inside])]
        digest = contents_hash({inside: contents[inside] for inside, _ in own})
        provenance[package.name] = {"version": package.version, "files": len(own), "sha256": digest}
        found = parse_files([path for _, path in own], digest, package.name, config.workers)
        for module, parts in usable_files(own, found, bad, config.strict):
            # Whoever names a package wants to train on it: only the standard library is held back in part.
            split = "train" if package in wanted else split_of(module)
            files.append(MinedFile(module, split, parts))
    files.sort(key=lambda file: (file.split, file.module))
    return MinedSource(files, provenance, bad)


def usable_files(own: list, found: list[dict], bad: BadRecords, strict: bool) -> list[tuple[str, dict]]:
    """Module and contents of the files that parse; the others are counted, or an error when `strict`."""
    files = []
    for (inside, path), parts in zip(own, found, strict=True):
        if "error" not in parts:
            files.append((module_name(inside), parts))
        elif strict:
            raise UserError(f"{path}: {parts['error']}; leave out --data.strict to skip such files")
        else:
            bad.add(parts["error"], f"{path}:1")
    return files


def contents_hash(contents: dict[str, bytes]) -> str:
    """The SHA-256 over names and contents, in the order of the names."""
    total = hashlib.sha256()
    for inside in sorted(contents):
        total.update(f"{inside}\0{hashlib.sha256(contents[inside]).hexdigest()}\n".encode())
    return total.hexdigest()


def split_of(module: str) -> str:
    """The split of a top-level module, "dev" for about DEV_PERCENT of them, else "train"; the same on every machine."""
    # The salt was chosen by its split alone: 4.5% of the functions, of eleven modules, on Python 3.11.
    return "dev" if part_of(f"mined-2/{module.partition('.')[0]}".encode(), 100) < DEV_PERCENT else "train"
