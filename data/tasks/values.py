"""Inputs for tests and constants for operations, drawn with `random.random()` alone: the same on every Python."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, TypeVar

Choice = TypeVar("Choice")

_LETTERS = tuple("aeiourstlnmcb")
# Kind of constant -> the values that a description may name.
CONSTANTS: dict[str, tuple] = {
    "threshold": tuple(k for k in range(-5, 16) if k),  # "above 0" is "positive"
    "likely": tuple(range(0, 6)),
    "divisor": tuple(range(3, 10)),
    "small": tuple(range(2, 10)),
    "take": (2, 3, 4, 5),
    "copies": (3, 4, 5),
    "length": (2, 3, 4, 5, 6),
    "letter": _LETTERS,
    "mark": ("-", "*", "x", "z", "?", "_", "#"),
    "piece": ("!", "ab", "-", "s", "ing", "re", "?", "x", "un", ".", "er", "y"),
    "separator": ("-", ", ", "/", "+", " ", "; ", ".", "|", "_"),
    "key": ("ann", "ben", "cat", "dan", "eve", "tea", "rice", "milk", "salt"),
}
_WORDS = (
    "apple banana cat tea rice ben eve tree level noon stone rain anna Otto Rome Paris sun river market table loan "
    "coral mint lemon Berlin emu rotor sail letter bus car is a to in it on at be me no so area street nurse"
).split()
_EDGES: dict[str, tuple] = {
    "ints": ([7], [0], [4, 4, 4], [-3], [5, -5]),
    "words": (["a"], ["noon"], ["cat", "cat"], ["tree", "bus"], ["B"]),
    "text": ("a", "noon", "7", "B", "so so"),
    "int": (1, -1, 2, -6),
    "dict": ({"ann": 1}, {"ben": 0}, {"tea": 4, "cat": 4}, {"rice": -2}),
}
_EMPTY: dict[str, Any] = {"ints": [], "words": [], "text": "", "int": 0, "dict": {}}
POOL = 120  # inputs of each type


def pick(random: Random, choices: Sequence[Choice]) -> Choice:
    """One of `choices`, evenly."""
    return choices[int(random.random() * len(choices))]


def _number(random: Random) -> int:
    return int(random.random() * 8) if random.random() < 0.3 else int(random.random() * 36) - 12


def _list(random: Random, make, shortest: int, longest: int) -> list:
    items = [make(random) for _ in range(shortest + int(random.random() * (longest - shortest + 1)))]
    if random.random() < 0.5:  # duplicates, so that `distinct` and `most_common` show
        items.append(pick(random, items))
    return items


def _text(random: Random) -> str:
    words = [pick(random, _WORDS) for _ in range(1 + int(random.random() * 4))]
    if random.random() < 0.4:
        words.append(str(int(random.random() * 200)))
    return " ".join(words)


def _value(random: Random, kind: str) -> Any:
    if kind == "ints":
        return _list(random, _number, 3, 9)
    if kind == "words":
        return _list(random, lambda r: pick(r, _WORDS), 3, 7)
    if kind == "text":
        return _text(random)
    if kind == "int":
        return int(random.random() * 60) - 10
    keys = _list(random, lambda r: pick(r, CONSTANTS["key"]), 2, 6)
    return {key: _number(random) for key in keys}


@cache
def pool(kind: str) -> tuple[Any, ...]:
    """All inputs of type `kind`: the empty one, edge ones, then ordinary ones."""
    random = Random(f"inputs {kind}")
    edges = _EDGES[kind]
    return (_EMPTY[kind], *edges, *(_value(random, kind) for _ in range(POOL - 1 - len(edges))))


def draw_inputs(kind: str, ordinary: int, random: Random) -> list[int]:
    """Indices into the pool: `ordinary` neighbouring ordinary inputs, an edge one, the empty one."""
    edges = len(_EDGES[kind])
    start = 1 + edges + int(random.random() * (POOL - edges - ordinary))
    return [*range(start, start + ordinary), 1 + int(random.random() * edges), 0]
