"""A hash of what the code does, not of how it is written, so that results of one meaning can be compared.

Comments, formatting and docstrings are left out, and so is every other statement without effect. The syntax tree is
written down by hand: `ast.dump` and `ast.unparse` print the same tree differently in different versions of Python.
A test holds one hash for all supported Pythons. Limits: a new name for a variable or another order of functions
changes the hash, and a Python that parses a construct into another tree gives another hash for files that use it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDERS = ("model", "data", "training")
FILES = ("train.py",)


def imported_files(root: Path) -> list[Path]:
    """The files of model/, data/, training/ and train.py that this process has imported, sorted.

    Call it at the end of a run: objectives, corpora and strategies are imported only by the run that uses them.
    """
    root = root.resolve()
    found = set()
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not name or not name.endswith(".py"):
            continue
        path = Path(name).resolve()
        if path.is_relative_to(root) and is_hashed(path.relative_to(root)):
            found.add(path)
    return sorted(found)


def is_hashed(path: Path) -> bool:
    """Whether the file, relative to the root, can change what a run computes."""
    return path.parts[0] in FOLDERS or path.as_posix() in FILES


def code_hash(root: Path, files: Iterable[Path]) -> str:
    """16 hexadecimal digits over the names and syntax trees of `files`, whatever their order.

    Raises ValueError when a file lies outside `root` or is not Python.
    """
    root = root.resolve()
    by_name = {Path(file).resolve().relative_to(root).as_posix(): Path(file) for file in files}
    digest = hashlib.sha256()
    for name in sorted(by_name):
        try:
            tree = canonical(by_name[name].read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise ValueError(f"{name}:{error.lineno}: not Python: {error.msg}; no code hash without it") from None
        digest.update(f"{name}\0{tree}\0".encode())
    return digest.hexdigest()[:16]


def canonical(source: str) -> str:
    """The syntax tree of `source` as text: the same for two sources that differ only in what has no effect."""
    return written(ast.parse(source))


def written(node: object) -> str:
    """One node or field of the tree as text; empty fields are left out, as later Pythons add new ones."""
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!a}"
    if isinstance(node, ast.JoinedStr):  # early versions of 3.12 put empty strings between the parts of an f-string
        return f"JoinedStr({','.join(written(part) for part in node.values if not is_empty_string(part))})"
    if isinstance(node, ast.AST):
        fields = sorted((name, written(value)) for name, value in ast.iter_fields(node) if value is not None)
        inner = ",".join(f"{name}={value}" for name, value in fields if value != "[]")
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return "[" + ",".join(written(item) for item in node if not is_without_effect(item)) + "]"
    return ascii(node)


def is_empty_string(node: object) -> bool:
    """The constant ""."""
    return isinstance(node, ast.Constant) and node.value == ""


def is_without_effect(node: object) -> bool:
    """`pass`, a docstring, or any other string that stands alone as a statement."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Pass)
