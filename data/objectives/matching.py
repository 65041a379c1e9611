"""Description-code matching: does this description belong to this code? Next sentence prediction for code.

    source   <s> description </s> code </s>              labels   1 or 0 at <s>

Half of the time the code is that of another function, of the same module and about as long, so that neither the topic
nor the length gives it away. What mostly does is a word that stands on both sides: in a share of the pairs the
function's own name, and every word that one of the two descriptions has too, become masks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy

from data.example import Example, Item
from data.objectives.sentences import OTHER_TEXT_DRAWS, two_parts
from data.tokenizers.tokenizer import Tokenizer

PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
SHORTEST_WORD = 3  # letters of a part of a name that counts as a word
DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)


def description_code_matching(
    example: Example,
    tokenizer: Tokenizer,
    generator: numpy.random.Generator,
    others: Sequence[Example],
    masked_share: float = 0.5,
) -> Item | None:
    """A question: the pair, or its description with the code of one of `others`, its `Neighbours`.

    `masked_share`: of the pairs, true and false alike, in which common words are hidden. None for unlabelled text, and
    where `others` has nothing else.
    """
    if example.nl is None:
        return None
    # An example without another one is left out whichever way the draw goes: its label would be known.
    other = another(example, others, generator)
    belong, masked = generator.random() < 0.5, generator.random() < masked_share
    if other is None:
        return None
    code = example.code if belong else other.code
    # The words of both descriptions, whichever code is shown: else the number of masks would tell the label.
    hidden = words(example.nl) | words(other.nl)
    ids = []
    name = DEFINED.search(code)
    for start, end, pieces in tokenizer.encode_words(code):
        word = code[start:end]
        common = masked and ((name is not None and word == name[1]) or not hidden.isdisjoint(words(word)))
        ids += [tokenizer.mask_id] if common else pieces
    return two_parts(tokenizer.encode(example.nl), ids, belong, tokenizer)


def another(example: Example, others: Sequence[Example], generator: numpy.random.Generator) -> Example | None:
    """One of `others` that has another description and another code; None where none was met."""
    for index in generator.integers(max(1, len(others)), size=OTHER_TEXT_DRAWS).tolist() if len(others) else ():
        other = others[index]
        if other.nl != example.nl and other.code != example.code:
            return other
    return None


class Neighbours:
    """Finds described functions of one module and about one length, from which the other code is drawn.

    One pass over the corpus; after that only what is drawn is read.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples
        self.indices: dict[tuple[str, int], list[int]] = {}
        for index, example in enumerate(examples):
            if example.nl is not None:
                self.indices.setdefault(neighbourhood(example), []).append(index)

    def of(self, example: Example) -> Chosen:
        """The functions of an example's neighbourhood, itself among them; none for unlabelled text."""
        found = self.indices.get(neighbourhood(example), []) if example.nl is not None else []
        return Chosen(self.examples, found)


class Chosen(Sequence[Example]):
    """Some of the examples, chosen by number; each is read only when it is used."""

    def __init__(self, examples: Sequence[Example], indices: Sequence[int]) -> None:
        self.examples, self.indices = examples, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: Any) -> Any:
        """One example."""
        return self.examples[self.indices[number]]


def neighbourhood(example: Example) -> tuple[str, int]:
    """The module and the bucket of lengths, each bucket half as long again as the one before.

    An id of mined code is "module:qualified name"; elsewhere all ids with one word before the colon are of one module.
    """
    return example.id.partition(":")[0], round(math.log(max(1, len(example.code)), 1.5))


def words(text: str) -> set[str]:
    """The words of a text in lower case, names taken apart: parse_JSONFile -> parse, json, file."""
    return {part.lower() for part in PART.findall(text) if len(part) >= SHORTEST_WORD}
