"""A hash of what the code does, whatever its layout and its files, so that results can be compared.

It is made of the sorted top-level statements of all files. Comments, formatting and docstrings are left out, and so is
every other statement without effect; an import of the project's own keeps its names and drops the module, as a function
that moves to another file is the same function. (No two hashed modules export one imported name: a test sees to it.)
The syntax tree is written down by hand: `ast.dump` and `ast.unparse` print the same tree differently in different
versions of Python. A test holds one hash for all supported Pythons. Limits: a new name for a variable changes the hash,
the order of two top-level statements does not, and a Python that parses a construct into another tree gives another
hash for files that use it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

# Folders and files that can change what a run computes, or what its scores are.
HASHED = ("model", "data", "training", "evaluation", "system/device.py", "train.py")
# Of these no run imports anything: what a person looks at, and the network a second time, with the same names.
UNUSED = ("evaluation/report", "evaluation/summary.py", "model/numpy_reference")
# Scores depend on all of it, on programs that are started and never imported too.
HASHED_WHOLE = ("evaluation",)
OWN_NAMES = ("model", "data", "training", "evaluation", "system", "experiments", "teaching", "train", "eval")


def imported_files(root: Path) -> list[Path]:
    """The hashed files that this process has imported, and those that computing scores may use, sorted.

    Call it at the end of a run: objectives, corpora and strategies are imported only by the run that uses them.
    """
    root = root.resolve()
    found = {path for folder in HASHED_WHOLE for path in (root / folder).rglob("*.py")}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if name and name.endswith(".py"):
            found.add(Path(name).resolve())
    return sorted(path for path in found if path.is_relative_to(root) and is_hashed(path.relative_to(root)))


def is_hashed(path: Path) -> bool:
    """Whether the file, relative to the root, can change what a run computes or what its scores are."""
    return lies_in(path, HASHED) and not lies_in(path, UNUSED)


def lies_in(path: Path, places: tuple[str, ...]) -> bool:
    """Whether a file is one of these, or lies in a folder of these."""
    return any(path.is_relative_to(place) for place in places)


def code_hash(root: Path, files: Iterable[Path]) -> str:
    """16 hexadecimal digits over the top-level statements of `files`, whichever file each stands in.

    Raises ValueError when a file is not Python.
    """
    imports, statements = set(), []
    for file in {Path(file).resolve() for file in files}:
        try:
            names, others = canonical(file.read_text(encoding="utf-8"))
        except SyntaxError as error:
            shown = file.relative_to(root.resolve()).as_posix()
            raise ValueError(f"{shown}:{error.lineno}: not Python: {error.msg}; no code hash without it") from None
        imports |= names
        statements += others
    text = "\0".join([*sorted(imports), *sorted(statements)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(source: str) -> tuple[set[str], list[str]]:
    """The imported names and the other statements of a source, equal where sources differ in no effect."""
    imports, statements = set(), []
    for statement in ast.parse(source).body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            imports |= set(imported_names(statement))
        elif not is_without_effect(statement):
            statements.append(as_text(statement))
    return imports, statements


def imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The names that an import brings, the project's own without their module."""
    found = []
    for one in node.names:
        module, name = (node.module or "", one.name) if isinstance(node, ast.ImportFrom) else (one.name, "")
        if module.partition(".")[0] in OWN_NAMES:
            module, name = "", name or module.rpartition(".")[2]
        found.append(f"import {module} {name} as {one.asname or name}")
    return found


def as_text(node: object) -> str:
    """A node or field of the tree as text; empty fields are left out, as later Pythons add new ones."""
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!a}"
    if isinstance(node, ast.JoinedStr):  # early versions of 3.12 put empty strings between the parts of an f-string
        return f"JoinedStr({','.join(as_text(part) for part in node.values if not is_empty_string(part))})"
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return ";".join(imported_names(node))
    if isinstance(node, ast.AST):
        fields = sorted((name, as_text(value)) for name, value in ast.iter_fields(node) if value is not None)
        inner = ",".join(f"{name}={value}" for name, value in fields if value != "[]")
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return "[" + ",".join(as_text(item) for item in node if not is_without_effect(item)) + "]"
    return ascii(node)


def is_empty_string(node: object) -> bool:
    """Whether a node is the constant ""."""
    return isinstance(node, ast.Constant) and node.value == ""


def is_without_effect(node: object) -> bool:
    """Whether a statement is `pass`, a docstring, or another string that stands alone."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Pass)
