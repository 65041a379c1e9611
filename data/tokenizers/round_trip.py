"""What a tokenizer cannot write: texts that `decode(encode(text))` does not give back as they were.

Ours and byte-level ones lose nothing. Checkpoints' sentencepiece models have no piece for many a character (a brace, a
line break), put others in its place (normalisation), and make one blank of several: a network with such a tokenizer is
taught code that it can never write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from data.tokenizers.piece_files import BLANK
from data.tokenizers.tokenizer import Tokenizer

RUN_OF_BLANKS = re.compile(r" {2,}|^ | $")  # and a blank at either end of a text
NAMES = {"\n": "line breaks", "\t": "tabs", "\r": "carriage returns"}
SHOWN = 8  # characters of a list
SHOWN_LENGTH = 30  # characters of a text


@dataclass
class Losses:
    """What did not come back of some texts."""

    n_texts: int = 0
    n_changed: int = 0  # texts that did not come back as they were
    characters: Counter[str] = field(default_factory=Counter)  # that cannot be written -> how often they stood there
    n_runs: int = 0  # texts with runs of blanks, which became one blank or none
    n_others: int = 0  # texts that were changed in another way
    example: tuple[str, str] = ("", "")  # the first of those, and what came back

    @property
    def kinds(self) -> list[str]:
        """What was lost, in a few words each."""
        said = []
        if self.characters:
            often_first = sorted(self.characters.items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{in_words(char)} ({n:,})" for char, n in often_first[:SHOWN])
            more = len(often_first) - SHOWN
            said.append(f"it cannot write {listed}{f' and {more:,} more characters' if more > 0 else ''}")
        if self.n_runs:
            said.append(f"runs of blanks (indentation) in {self.n_runs:,}")
        if self.n_others:
            before, after = (repr(text[:SHOWN_LENGTH]) for text in self.example)
            said.append(f"other changes in {self.n_others:,}, such as {before} to {after}")
        return said


def losses(tokenizer: Tokenizer, texts: Iterable[str], target: bool) -> Losses:
    """What the tokenizer loses of sources, or of targets."""
    found, keeps_runs, lost = Losses(), comes_back(tokenizer, "a  a"), LostCharacters(tokenizer)
    encode = tokenizer.encode_target if target else tokenizer.encode
    for text in texts:
        found.n_texts += 1
        back = tokenizer.decode(encode(text))
        if back == text:
            continue
        found.n_changed += 1
        characters = Counter({char: text.count(char) for char in set(text) if lost[char]})
        has_runs = not keeps_runs and RUN_OF_BLANKS.search(text) is not None
        found.characters += characters
        found.n_runs += has_runs
        if not characters and not has_runs:
            found.example = found.example if found.n_others else differing(text, back)
            found.n_others += 1
    return found


class LostCharacters(dict[str, bool]):
    """Character -> whether the tokenizer cannot write it: looked at when it is first asked for."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def __missing__(self, char: str) -> bool:
        self[char] = char != " " and not comes_back(self.tokenizer, char)
        return self[char]


def comes_back(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a text comes back from its ids, as a source and as a target."""
    return all(tokenizer.decode(encode(text)) == text for encode in (tokenizer.encode, tokenizer.encode_target))


def missing_characters(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """The characters of these texts that the tokenizer cannot write and might, in the order of their numbers.

    Not U+2581, with which sentencepiece writes its blanks: as a piece it would stand for two things.
    """
    lost = LostCharacters(tokenizer)
    return sorted(char for char in set().union(*texts) - {BLANK} if lost[char])


def with_blanks(tokenizer: Tokenizer, characters: Sequence[str], texts: Iterable[str]) -> list[str]:
    """These characters with the single blanks that stand beside them in the texts and would be lost there, sorted.

    tokenizer: one that can write the characters themselves.
    """
    pattern = re.compile(f" ?[{re.escape(''.join(characters))}] ?")
    found = {piece for text in texts for piece in pattern.findall(text)} - {*characters}
    return sorted(piece for piece in found if not comes_back(tokenizer, f"a{piece}a"))


def differing(text: str, back: str) -> tuple[str, str]:
    """A text and what came back, without the beginning that they share."""
    at = next((i for i, (one, other) in enumerate(zip(text, back)) if one != other), min(len(text), len(back)))
    return text[at:], back[at:]


def in_words(char: str) -> str:
    """A character for a line in a terminal."""
    return NAMES.get(char, ascii(char) if not char.isprintable() else repr(char))
