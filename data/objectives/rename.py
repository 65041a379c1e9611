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
from data.perturb import TASK

NAME = re.compile(r"(?<!\w)(?!__\w*__(?!\w))[A-Za-z_]\w*")  # __init__ and its like mean something and stay
SHORTEST_NAME = 3  # letters of the shortest word that is replaced
LITERAL = re.compile(r"""'[^'\\\n]+'|"[^"\\\n]+\"""")
SUBWORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]{2,}")
KEPT = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls", "args", "kwargs"])
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def rename(example: Example, words: Sequence[str], generator: numpy.random.Generator, share: float = 0.7) -> Example:
    """Replace, each with probability `share`, names and string literals that stand on both sides of a pair.

    `words`: identifiers of the training split, from which new names are built. A name has at least three letters and
    is no keyword, builtin, `__name__`, `self` or name of a task in front; it is replaced wherever it stands, by one
    that stood on neither side (where the draw hits a name that is there already, the old one stays). A slot
    (data/slots.py) is a name like any other, so that a network with slots still learns to copy what is none. What
    stands on one side only is not touched. Tests are dropped: they call the old names. Unlabelled text is unchanged,
    and so is everything where there are no words.
    """
    if example.nl is None or not words:
        return example
    draw = random.Random(int(generator.integers(2**63)))  # single draws cost a tenth of NumPy's
    nl, code = example.nl, example.code
    literals = shared_names(LITERAL, nl, code, share, draw, lambda old: new_literal(old, words, draw))
    names = shared_names(NAME, nl, code, share, draw, lambda old: new_name(old, words, draw))
    for pattern, new in ((LITERAL, literals), (NAME, names)):
        if new:
            nl, code = substitute(pattern, new, nl), substitute(pattern, new, code)
    return replace(example, nl=nl, code=code, tests=()) if literals or names else example


def shared_names(
    pattern: re.Pattern[str], nl: str, code: str, share: float, draw: random.Random, invent: Callable[[str], str]
) -> dict[str, str]:
    """What to replace: matches of `pattern` in both texts -> what `invent` makes of them, new to both texts."""
    in_nl, in_code = set(pattern.findall(nl)), dict.fromkeys(pattern.findall(code))
    task = TASK.match(nl)
    kept = KEPT if task is None else KEPT.union(NAME.findall(task[0]))
    taken = {*kept, *in_nl, *in_code}
    new = {}
    for old in in_code:
        if old in in_nl and len(old) >= SHORTEST_NAME and old not in kept and draw.random() < share:
            invented = invent(old)
            if invented not in taken:
                taken.add(invented)
                new[old] = invented
    return new


def substitute(pattern: re.Pattern[str], new: dict[str, str], text: str) -> str:
    """`text` with every match of `pattern` that `new` holds replaced."""
    return pattern.sub(lambda match: new.get(match[0], match[0]), text)


def new_literal(old: str, words: Sequence[str], draw: random.Random) -> str:
    """A literal of one to five training words in the quotes of the old one; the old one where it holds no word."""
    if not SUBWORD.search(old):
        return old
    return old[0] + " ".join(draw.choices(words, k=draw.randint(1, 5))) + old[-1]


def new_name(old: str, words: Sequence[str], draw: random.Random) -> str:
    """A made-up name of one to three parts, in the old one's style: CONSTANT, ClassName or plain_name.

    With a vocabulary of 4,000 it has 6.3 pieces on average, like the names in Django's last 1,000 training lines that
    do not occur before them.
    """
    parts = [new_part(words, draw) for _ in range(draw.choice((1, 1, 2, 2, 3)))]
    if old.isupper():
        return "_".join(parts).upper()
    if old[0].isupper():
        return "".join(part.capitalize() for part in parts)
    return "_".join(parts)


def new_part(words: Sequence[str], draw: random.Random) -> str:
    """A sub-word of a training word, or letters that make no sense."""
    if draw.random() < 0.9 and (found := SUBWORD.findall(draw.choice(words))):
        return draw.choice(found).lower()
    return "".join(draw.choices(LETTERS, k=draw.randint(2, 5)))
