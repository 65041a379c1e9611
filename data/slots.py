"""Slots for strings and names that code copies from its description (`--data.slots`, `--data.name_slots`).

    description   suffix set to string '.upload'      ->   suffix set to string SLOT0
    code          f ( suffix = '.upload' )            ->   f ( suffix = SLOT0 )

With names too:

    description   call m.group with int_part          ->   call NAME0.NAME1 with NAME2
    code          m . group ( int_part )              ->   NAME0 . NAME1 ( NAME2 )

Slots are found in the description alone, so they are the same where the code is not known yet. A literal of the code
that stands in the description letter by letter, quotes included, becomes its slot; any other stays, and has to be
written, and so has one that touches its neighbours, as in return'a': its slot could not be told from them. A name is a
word that no English text has: with an underscore, a digit, capitals inside, or a point between it and its neighbour.
After decoding every slot is its text again, exactly. (TranX does the same with literals, by values and before it is
scored, Yin and Neubig 2018; here scores see whole code.)
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import replace

from data.code.tokens import too_long_to_cut
from data.config import DataConfig
from data.example import Example

# In a description an apostrophe inside a word opens nothing, and quotes close on their own line.
QUOTED = re.compile(r"""(?<!\w)(?P<quote>['"])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote)(?!\w)""")
STRING_LITERAL = re.compile(r"""(?P<quote>['"])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote)""")
IDENTIFIER = r"(?<!\w)[A-Za-z_]\w*"
IN_TEXT = re.compile(rf"{QUOTED.pattern}|{IDENTIFIER}(?:\.{IDENTIFIER})*")  # a quoted string, or words joined by points
IN_CODE = re.compile(rf"{STRING_LITERAL.pattern}|{IDENTIFIER}(?!['\"])")  # the r of r'...' is no name
NAME_LIKE = re.compile(r"_|\d|[a-z][A-Z]|[A-Z]{2}")
SLOT = re.compile(r"(?<!\w)(?P<prefix>[rbuRBU]{0,2})(?P<slot>(?:SLOT|NAME)\d+)\b")  # r'...' becomes rSLOT0
NOT_HIDDEN = {*keyword.kwlist, "self", "cls"}


def slots(description: str, data: DataConfig) -> dict[str, str]:
    """The slot of each hidden text of a description, quotes included; none where it has slots, or endless lines."""
    if not data.slots or SLOT.search(description) or too_long_to_cut(description):
        return {}
    found = [match[0] for match in IN_TEXT.finditer(description.removeprefix(data.prefix))]
    strings = dict.fromkeys(text for text in found if text[0] in "'\"")
    hidden = {text: f"SLOT{number}" for number, text in enumerate(strings)}
    if data.name_slots:
        words = dict.fromkeys(part for text in found if text not in strings for part in name_parts(text))
        hidden |= {word: f"NAME{number}" for number, word in enumerate(words)}
    return hidden


def name_parts(chain: str) -> list[str]:
    """The names in a chain of words joined by points: all of several, a single one where it looks like code."""
    parts = chain.split(".")
    return [part for part in parts if part not in NOT_HIDDEN and (len(parts) > 1 or NAME_LIKE.search(part))]


def hide_in_description(description: str, data: DataConfig) -> str:
    """The description with slots, as the network reads it."""
    return description_with_slots(description, slots(description, data), data)


def description_with_slots(description: str, hidden: Mapping[str, str], data: DataConfig) -> str:
    """The description with slots for the hidden texts; the task's name in front of it stays."""
    text = description.removeprefix(data.prefix)
    return description.removesuffix(text) + with_slots(IN_TEXT, hidden, text)


def hide(example: Example, data: DataConfig) -> Example:
    """The pair with slots on both sides, or as it is where putting the texts back would not restore it."""
    hidden = slots(example.nl or "", data)
    if not hidden:
        return example
    nl, code = description_with_slots(example.nl, hidden, data), with_slots(IN_CODE, hidden, example.code)
    return replace(example, nl=nl, code=code) if put_back(code, hidden) == example.code else example


def with_slots(pattern: re.Pattern[str], hidden: Mapping[str, str], text: str) -> str:
    """The text with slots for the hidden ones among the pattern's matches, each as a whole or between its points."""

    def slot(match: re.Match[str]) -> str:
        if match[0][0] in "'\"":
            return hidden.get(match[0], match[0])
        return ".".join(hidden.get(part, part) for part in match[0].split("."))

    return pattern.sub(slot, text)


def restore(code: str, description: str, data: DataConfig) -> str:
    """The code with the description's texts in their slots; a slot that the description lacks stays."""
    return put_back(code, slots(description, data))


def put_back(code: str, hidden: Mapping[str, str]) -> str:
    """The code with the hidden texts in their slots."""
    texts = {slot: text for text, slot in hidden.items()}
    return SLOT.sub(lambda match: match["prefix"] + texts.get(match["slot"], match["slot"]), code)
