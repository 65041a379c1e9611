"""Rename what both sides of a pair share: an augmentation that makes copying the only way to be right.

A name that stands in the description and in the code is mostly there because it has to be copied. Replaced on both
sides by a made-up one, it cannot be known by heart (the idea of entity anonymisation; Jia and Liang 2016 recombine
examples in the same spirit).
"""

from __future__ import annotations

import builtins
import keyword
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy

from data.example import Example

NAME = re.compile(r"(?<!\w)[A-Za-z_]\w*")
SHORTEST = 3  # letters of the shortest word that is replaced
LITERAL = re.compile(r"""'[^'\\\n]+'|"[^"\\\n]+\"""")
SUBWORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
KEPT = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls", "args", "kwargs"])
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def rename(example: Example, words: Sequence[str], generator: numpy.random.Generator, share: float = 0.7) -> Example:
    """Replace, each with probability `share`, names and string literals that stand on both sides of a pair.

    `words`: identifiers of the training split, from which new names are built. A name has at least three letters and
    is no keyword, builtin or `self`; it is replaced wherever it stands, by a word that stood on neither side. What
    stands on one side only is not touched. Tests are dropped: they call the old names. Unlabelled text is unchanged.
    """
    if example.nl is None:
        return example
    draw = random.Random(int(generator.integers(2**63)))  # single draws cost a tenth of NumPy's
    nl, code = replace_shared(LITERAL, example.nl, example.code, lambda old: new_literal(old, words, draw), share, draw)
    nl, code = replace_shared(NAME, nl, code, lambda old: new_name(old, words, draw), share, draw)
    return replace(example, nl=nl, code=code, tests=()) if code != example.code else example


def replace_shared(
    pattern: re.Pattern[str], nl: str, code: str, new: Callable[[str], str], share: float, draw: random.Random
) -> tuple[str, str]:
    """Replace matches of `pattern` that both texts hold, the same way everywhere, by what `new` makes of them."""
    taken = set(pattern.findall(nl))
    in_code = dict.fromkeys(pattern.findall(code))
    shared = [old for old in in_code if old in taken and may_change(old) and draw.random() < share]
    taken.update(in_code)
    renamed = {}
    for old in shared:
        fresh = new(old)
        if fresh not in taken and fresh not in KEPT:
            taken.add(fresh)
            renamed[old] = fresh
    if not renamed:
        return nl, code

    def swap(match: re.Match[str]) -> str:
        return renamed.get(match[0], match[0])

    return pattern.sub(swap, nl), pattern.sub(swap, code)


def may_change(old: str) -> bool:
    """Whether a shared name or literal may be replaced."""
    return len(old) >= SHORTEST and old not in KEPT


def new_literal(old: str, words: Sequence[str], draw: random.Random) -> str:
    """A literal of one to five training words in the quotes of the old one."""
    return old[0] + " ".join(draw.choices(words, k=draw.randint(1, 5))) + old[-1]


def new_name(old: str, words: Sequence[str], draw: random.Random) -> str:
    """A made-up name of one to four parts, in the old one's style: CONSTANT, ClassName or plain_name."""
    parts = [new_part(words, draw) for _ in range(draw.choice((1, 2, 2, 3, 4)))]
    if old.isupper():
        return "_".join(parts).upper()
    if old[0].isupper():
        return "".join(part.capitalize() for part in parts)
    return "_".join(parts)


def new_part(words: Sequence[str], draw: random.Random) -> str:
    """A sub-word of a training word, or letters that make no sense."""
    if draw.random() < 0.8 and (found := SUBWORD.findall(draw.choice(words))):
        return draw.choice(found).lower()
    return "".join(draw.choices(LETTERS, k=draw.randint(3, 8)))
