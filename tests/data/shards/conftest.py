"""A folder of code and text in which everything that a build must notice is planted."""

from pathlib import Path

import pytest

from data.shards.build import build
from data.shards.sources import folder_origin

LICENCE = "# Copyright 2020 Somebody. All rights reserved.\n# Licensed under the terms of the file beside this one.\n"
WORDS = "alpha beta gamma delta load save open read count total value name index key path node line item part".split()


def function_of(number: int) -> str:
    """A described function; other numbers give functions that have little in common with it."""
    one, two, three = (WORDS[number * step % len(WORDS)] for step in (3, 5, 7))
    body = [f"    {one}_{k} = {two}_{number}({three}, {number * 31 + k}) - {k * number}" for k in range(4 + number % 5)]
    head = [f"def {two}_{number}({three}):", f'    """Compute the {one} of number {number}."""']
    return "\n".join([*head, *body, f"    return {one}_0\n"])


def module_of(first: int, n: int = 6) -> str:
    """So many functions."""
    return "\n\n".join(function_of(first + k) for k in range(n))


@pytest.fixture
def function():
    return function_of


@pytest.fixture
def module():
    return module_of


@pytest.fixture
def licence():
    return LICENCE


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twelve modules and a page of prose."""
    root = tmp_path / "project"
    for number in range(12):
        path = root / f"part{number % 3}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LICENCE + "\n" + module_of(10 * number), encoding="utf-8")
    (root / "README.md").write_text("# A project\n\n" + "Some words about what it does and why. " * 20)
    return root


@pytest.fixture
def built(tmp_path):
    """build(folder, targets, ...) -> (folder of the corpus, its data card)."""

    def built(*folders, targets=None, out="corpus", **settings):
        place = tmp_path / out
        settings = {"vocab_size": 600, "tokenizer": "", "workers": 2, **settings}
        return place, build([folder_origin(folder) for folder in folders], place, targets or {}, **settings)

    return built
