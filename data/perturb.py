"""Small changes to a description that leave its meaning, to measure how much a network depends on the wording.

    typos      letters are swapped, lost or doubled in words of four letters and more
    synonyms   a word becomes another one with the same meaning in this place
    drops      a word is gone

Only plain English words are touched. What the code has too, what is a part of a name or stands in quotes has to be
copied, and nobody could guess it back. Where code is read and its description is written, nothing is changed.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy

from data.code.tokens import too_long_to_cut
from data.example import Example
from data.slots import QUOTED

PERTURBATIONS = ("typos", "synonyms", "drops")
PLAIN_WORD = re.compile(r"(?<![\w.'\"(-])[A-Za-z]+(?![\w'\"(-]|\.\w)")
TASK = re.compile(r"^(?:\w+ )?\w+: ")  # the name of the task in front
LETTER_RUN = re.compile(r"[A-Za-z]+")
SHORTEST_TYPO = 4  # letters
GROUPS = (  # each word of a group may stand for any other
    ("call", "invoke"), ("method", "function", "procedure"), ("argument", "parameter"), ("arguments", "parameters"),
    ("substitute", "replace", "exchange"), ("result", "outcome"), ("string", "text"),
    ("define", "declare"), ("name", "label"), ("key", "index"), ("dictionary", "mapping"), ("set", "assigned"),
    ("default", "standard"), ("get", "fetch", "obtain"), ("empty", "blank"), ("space", "gap"), ("exception", "error"),
    ("instance", "object"), ("integer", "whole number"), ("every", "each"), ("element", "item", "entry"),
    ("elements", "items", "entries"), ("raise", "throw"), ("append", "add"), ("use", "employ"), ("derive", "inherit"),
    ("derived", "inherited"), ("called", "named"), ("first", "initial"), ("last", "final"), ("otherwise", "else"),
    ("contained", "held"), ("containing", "holding"), ("equals", "matches"), ("equal", "identical"),
    ("convert", "turn"), ("converted", "turned"), ("new", "fresh"), ("created", "made"), ("create", "make"),
    ("nothing", "no value"), ("join", "concatenate"), ("remove", "delete"), ("removed", "deleted"), ("number", "count"),
    ("numbers", "values"), ("list", "sequence"), ("sum", "total"), ("largest", "biggest"), ("smallest", "lowest"),
    ("length", "size"), ("check", "test"), ("find", "locate"), ("show", "display"), ("files", "documents"),
    ("directory", "folder"), ("directories", "folders"), ("current", "present"), ("begin", "start"), ("end", "finish"),
    ("greater", "larger"), ("than", "compared to"), ("sort", "order"), ("sorted", "ordered"), ("under", "beneath"),
)  # fmt: skip
SYNONYMS = {word: [other for other in group if other != word] for group in GROUPS for word in group}


def perturb(example: Example, kind: str, generator: numpy.random.Generator, share: float = 0.2) -> Example:
    """Change `share` of the words that may be changed, at least one; an example without such words stays as it is."""
    if example.nl is None or example.language == "text" or too_long_to_cut(example.nl):
        return example
    places = [place for place in plain_words(example.nl, example.code) if may_change(example.nl[slice(*place)], kind)]
    count = min(len(places), max(1, round(share * len(places))))
    chosen = sorted(generator.permutation(len(places))[:count].tolist(), reverse=True)  # from the end: places stay
    text = example.nl
    for start, end in (places[index] for index in chosen):
        before, after = text[:start], text[end:]
        if kind == "drops":  # with the blank beside it
            text = before.removesuffix(" ") + (after if before.endswith(" ") else after.removeprefix(" "))
        else:
            text = before + changed_word(text[start:end], kind, generator) + after
    return replace(example, nl=text)


def plain_words(nl: str, code: str) -> list[tuple[int, int]]:
    """The places of the words that are not quoted, no part of a name, not in the task's name and not in the code."""
    kept = {place for pattern in (QUOTED, TASK) for found in pattern.finditer(nl) for place in range(*found.span())}
    in_code = {word.lower() for word in LETTER_RUN.findall(code)}
    return [
        found.span() for found in PLAIN_WORD.finditer(nl)
        if found[0].lower() not in in_code and found.start() not in kept
    ]  # fmt: skip


def may_change(word: str, kind: str) -> bool:
    """Whether this kind of change applies to this word."""
    return {"typos": len(word) >= SHORTEST_TYPO, "synonyms": word in SYNONYMS, "drops": True}[kind]


def changed_word(word: str, kind: str, generator: numpy.random.Generator) -> str:
    """The word after the change: with a typo, or a synonym of it."""
    if kind == "synonyms":
        return SYNONYMS[word][int(generator.integers(len(SYNONYMS[word])))]
    at, way = int(generator.integers(len(word) - 1)), int(generator.integers(3))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    lost, doubled = word[:at] + word[at + 1 :], word[: at + 1] + word[at:]
    return swapped if way == 0 and swapped != word else (doubled, lost, doubled)[way]
