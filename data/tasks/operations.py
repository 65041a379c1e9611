"""The parts of an operation: types, code template, reference semantics and phrasings. The tables are in on_*.py.

Types: "ints" and "words" are lists, "text" and "int" scalars, "dict" maps words to ints; "bool" and "groups" only end
a task. A row may take "list" (ints or words alike) and then give "list" or "item".

In code templates `{v}` is the variable, `{0}` and `{1}` are constants. In phrasings `{x}` is what the operation is
applied to, seen as a container ("xs", "the list xs"), `{them}` the same seen as its elements ("the numbers in xs").
A noun phrase answers "return ...", a clause is an order. Words of a clause in [brackets] are said only where the clause
comes first; later "them" or "it" is understood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

INPUT_TYPES = ("ints", "words", "text", "int", "dict")  # what a task's argument may be
ITEMS = {"ints": ("number", "numbers", "int", "0"), "words": ("word", "words", "text", "''")}


@dataclass(frozen=True)
class Operation:
    """A row of the tables for lists, text, numbers and dictionaries as a whole."""

    name: str
    takes: str
    gives: str
    code: str  # expression over {v}, {0}, {1}
    run: Callable[..., Any]  # reference semantics: (value, *constants) -> value
    kinds: tuple[str, ...]  # kinds of its constants, keys of values.CONSTANTS
    nouns: tuple[str, ...]
    clauses: tuple[str, ...]
    held: str  # noun that training never uses


@dataclass(frozen=True)
class Predicate:
    """A yes/no question about one number or word: it filters a list or tests a scalar."""

    name: str
    item: str  # "int" or "text"
    code: str  # expression over {e}, {0}, {1}
    run: Callable[..., bool]
    kinds: tuple[str, ...]
    such: tuple[str, str]  # verb phrases of one element: "is greater than {0}"
    which: tuple[str, str]  # modifiers behind the noun ("greater than {0}"), or one word that stands before it
    held: tuple[str, str]  # a `such` and a `which`, one wording that training never uses


@dataclass(frozen=True)
class Change:
    """A function of one number or word: it is applied to a scalar or to each element."""

    name: str
    item: str
    code: str  # expression over {e}, {0}, {1}
    run: Callable[..., Any]
    kinds: tuple[str, ...]
    one: tuple[str, ...]  # noun phrases for a scalar
    one_clauses: tuple[str, ...]
    each: tuple[str, ...]  # noun phrases for a list
    each_clauses: tuple[str, ...]
    held: tuple[str, str]  # a noun phrase for a scalar and for a list, one wording that training never uses


@dataclass(frozen=True)
class Quantifier:
    """Asks a predicate of a whole list."""

    name: str
    code: str  # expression over {test}, {e} and {v}
    run: Callable[..., bool]  # of the list of answers
    nouns: tuple[str, ...]  # over {item}, {items}, {is}, {are}, {x}
    clauses: tuple[str, ...]
    held: str


@dataclass(frozen=True)
class Combiner:
    """Joins the results of two pipelines over the same argument."""

    name: str
    parts: str  # type of both results
    gives: str
    code: str  # expression over a and b
    run: Callable[[Any, Any], Any]
    nouns: tuple[str, ...]  # over {a} and {b}, in this order
    held: str
