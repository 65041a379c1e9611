"""String literals of a description as slots: what stands in quotes is put back, not spelled (`--data.slots`).

    description   suffix set to string '.upload'      ->   suffix set to string SLOT0
    code          f ( suffix = '.upload' )            ->   f ( suffix = SLOT0 )

Slots are found in the description alone, so they are the same where the code is not known yet. A literal of the code
that stands in the description letter by letter, quotes included, becomes its slot; any other stays, and has to be
written. After decoding every slot is its literal again, exactly. (TranX does the same by values and before it is
scored, Yin and Neubig 2018; here scores see whole code.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from data.example import Example

# In a description an apostrophe inside a word opens nothing, and quotes close on their own line.
QUOTED = re.compile(r"""(?<!\w)(?P<quote>['"])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote)(?!\w)""")
LITERAL = re.compile(r"""(?P<quote>['"])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote)""")
SLOT = re.compile(r"\bSLOT(\d+)\b")


def literals(description: str) -> list[str]:
    """The quoted strings of a description, quotes included, each once; none where it has the name of a slot."""
    if SLOT.search(description):
        return []
    return list(dict.fromkeys(found[0] for found in QUOTED.finditer(description)))


def hide_in_description(description: str) -> str:
    """The description with its quoted strings as slots."""
    return with_slots(QUOTED, literals(description), description)


def hide(example: Example) -> Example:
    """A pair with slots on both sides."""
    if example.nl is None:
        return example
    found = literals(example.nl)
    return replace(example, nl=with_slots(QUOTED, found, example.nl), code=with_slots(LITERAL, found, example.code))


def with_slots(pattern: re.Pattern[str], found: Sequence[str], text: str) -> str:
    """The text with slots for those of the pattern's matches that are among the literals `found`."""
    return pattern.sub(lambda match: f"SLOT{found.index(match[0])}" if match[0] in found else match[0], text)


def restore(code: str, description: str) -> str:
    """Code with the literals of the description in their slots; a slot that was made up stays."""
    found = literals(description)
    return SLOT.sub(lambda match: found[int(match[1])] if int(match[1]) < len(found) else match[0], code)
