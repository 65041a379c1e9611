"""The lines that a corpus must not hold because benchmarks test on them: a model may not have read the answers.

Decided for each function, on code tokens (data/code/tokens.py), against every dev and test target of the benchmarks at
hand. A function is left out when it

    window      shares 13 consecutive tokens with a target (Brown et al. 2020, appendix C, for words),
    line        holds a target of 8 to 12 tokens as a whole line,
    function    equals a target that is a whole function, up to formatting and the names of locals.

Shorter targets (`return self`) are everybody's and only counted. Whole files would be too coarse: most files of the
standard library hold some line that Django has too. Prose is not searched: docstrings, comments, pages of text.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from data.code.tokens import token_lines
from data.config import DataConfig
from data.corpora.published import CORPUS_LANGUAGES
from data.mining.python_functions import Function, definitions, functions
from data.sources import BENCHMARK_NAMES, open_source
from system.cache import cache_folder
from system.errors import UserError

WINDOW_TOKENS = 13
SHORTEST_LINE = 8  # tokens of the shortest target that is looked for as a whole line
Tokens = tuple[str, ...]


class Contamination:
    """A search for benchmarks' targets in code; `targets`: {benchmark: codes}."""

    def __init__(self, targets: Mapping[str, Iterable[str]], languages: Mapping[str, str] | None = None) -> None:
        self.windows: dict[Tokens, str] = {}  # of 13 tokens -> the benchmark
        self.lines: dict[Tokens, str] = {}
        self.functions: dict[str, str] = {}  # normal form -> the benchmark
        self.short: dict[str, int] = {}  # benchmark -> targets that are not looked for
        for benchmark, codes in targets.items():
            for code in codes:
                self.add(benchmark, code, (languages or {}).get(benchmark, "python"))

    def add(self, benchmark: str, code: str, language: str) -> None:
        """Add a target to look for."""
        lines = token_lines(code, language)
        tokens = [token for line in lines for token in line]
        for window in windows(tokens):
            self.windows.setdefault(window, benchmark)
        if len(lines) == 1 and SHORTEST_LINE <= len(tokens) < WINDOW_TOKENS:
            self.lines.setdefault(tuple(tokens), benchmark)
        keys = function_keys(code) if language == "python" else []
        for key in keys:
            self.functions.setdefault(key, benchmark)
        is_line = len(lines) == 1 and len(tokens) >= SHORTEST_LINE
        if not keys and not is_line and len(tokens) < WINDOW_TOKENS:
            self.short[benchmark] = self.short.get(benchmark, 0) + 1

    def found_in(self, code: str, key: str = "", language: str = "python") -> tuple[str, str] | None:
        """(benchmark, rule) of a target that the code holds, or None; `key`: its normal form, if it is a function."""
        if key in self.functions:
            return self.functions[key], "function"
        if not self.windows and not self.lines:
            return None
        lines = token_lines(code, language)
        for line in lines:
            if SHORTEST_LINE <= len(line) < WINDOW_TOKENS and tuple(line) in self.lines:
                return self.lines[tuple(line)], "line"
        for window in windows([token for line in lines for token in line]):
            if window in self.windows:
                return self.windows[window], "window"
        return None


def windows(tokens: list[str]) -> Iterable[Tokens]:
    """Every run of WINDOW_TOKENS consecutive tokens."""
    return zip(*(tokens[start:] for start in range(WINDOW_TOKENS)), strict=False)


def function_keys(code: str) -> list[str]:
    """The normal forms of the functions in a piece of code; none where it holds anything else but imports.

    A method of a class is not a whole target.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return []
    if not all(isinstance(node, (Function, ast.Import, ast.ImportFrom)) for node in tree.body):
        return []
    return [key for *_, key in functions(list(definitions(tree)), code.split("\n"))]


def read_targets(folder: str, places: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """Dev and test targets of each published corpus in `folder`, or in the user's cache when that is empty.

    places: {corpus: folder} of corpora that lie elsewhere. Raises UserError where a folder that is named has none.
    """
    targets = {}
    for name in BENCHMARK_NAMES:
        place = Path(folder).expanduser() / name if folder else cache_folder(name)
        place = Path((places or {}).get(name) or place).expanduser()
        if place.is_dir():
            splits = open_source(name, DataConfig(path=os.fspath(place)), 0).splits()
            held = [example.code for split, examples in splits.items() if split != "train" for example in examples]
            targets |= {name: held} if held else {}
    if folder and not targets:
        raise UserError(f"{folder} holds none of the folders {', '.join(BENCHMARK_NAMES)}; give another --benchmarks")
    return targets


def benchmarks_of(targets: Mapping[str, list[str]]) -> dict[str, dict[str, int]]:
    """The benchmarks as the data card describes them: targets, and how many are too short to be looked for."""
    found = Contamination(targets, languages_of(targets))
    return {name: {"targets": len(codes), "too short": found.short.get(name, 0)} for name, codes in targets.items()}


def languages_of(targets: Iterable[str]) -> dict[str, str]:
    """The language of each benchmark."""
    return {name: CORPUS_LANGUAGES.get(name, "python") for name in targets}
