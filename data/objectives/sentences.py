"""Next sentence prediction as in BERT (Devlin et al. 2019, 3.1): does the second part follow the first?

    source   <s> first part </s> second part </s>        labels   1 or 0 at <s>, which BERT calls [CLS]

Half of the time the second part is that of another text. BERT adds an embedding of the part to each token; here the end
token between the two parts is all that tells them apart (as in RoBERTa, which found the objective of no use).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from data.example import IGNORE, Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer

OTHER_TEXT_DRAWS = 8  # draws of another text before an example is left out


def next_sentence_prediction(
    example: Example, tokenizer: Tokenizer, generator: numpy.random.Generator, others: Sequence[Example]
) -> Item | None:
    """A question: the text cut in two at a line's end, or halves of two texts of one language. None for a single line.

    `others`: the corpus, from which the other text is drawn.
    """
    halves = cut_in_two(text_of(example), generator)
    if halves is None:
        return None
    foreign = foreign_half(example, others, generator)
    if foreign is None:  # whichever way the draw below goes: else what is left out would tell the label
        return None
    first, second, foreign = (tokenizer.encode(part) for part in (*halves, foreign))
    length = min(len(second), len(foreign))  # or what is too long, and left out later, would be more often foreign
    follows = generator.random() < 0.5
    return two_parts(first, (second if follows else foreign)[:length], follows, tokenizer)


def foreign_half(example: Example, others: Sequence[Example], generator: numpy.random.Generator) -> str | None:
    """The second half of another text in the same language; None where none was met."""
    for index in generator.integers(len(others), size=OTHER_TEXT_DRAWS).tolist():
        other = others[index]
        halves = cut_in_two(text_of(other), generator)
        same_kind = other.language == example.language and (other.nl is None) == (example.nl is None)
        if halves is not None and other.id != example.id and same_kind:
            return halves[1]
    return None


def cut_in_two(text: str, generator: numpy.random.Generator) -> tuple[str, str] | None:
    """The lines before a random border and those behind it, both with something to read; None for a single line."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        return None
    border = int(generator.integers(1, len(lines)))
    return "\n".join(lines[:border]), "\n".join(lines[border:])


def two_parts(first: list[int], second: list[int], belong: bool, tokenizer: Tokenizer) -> Item:
    """The item of two texts (token ids); whether they belong together is the label of the first position."""
    source = tokenizer.frame([tokenizer.begin_id, *first, tokenizer.end_id, *second])
    return Item(source, labels=[int(belong), *[IGNORE] * (len(source) - 1)], kind="match")
