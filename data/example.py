"""The data contract: the examples that every corpus gives, and the items that every objective makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """One pair of a description and its code; unlabelled text has `nl=None`."""

    id: str  # unique within its corpus and stable over runs: random choices depend on it
    nl: str | None  # description in natural language
    code: str
    language: str = "python"
    tests: tuple[str, ...] = ()  # statements that raise when the code is wrong, e.g. "assert f([]) == 0"
    meta: dict[str, Any] = field(default_factory=dict)


PLACES_KEPT = 10  # of each kind of bad record


@dataclass
class BadRecords:
    """Training records that were skipped or truncated: the number of each kind, and the places of the first ones.

    `remarks` are lines about files that were read otherwise than their names say, or not at all.
    """

    counts: dict[str, int] = field(default_factory=dict)  # reason -> number of records
    places: list[str] = field(default_factory=list)  # "file:line: reason", the first ones of each reason
    seen: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)  # what must not be counted again
    remarks: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict, repr=False)  # reason -> its places among `places`

    def add(self, reason: str, place: str, n: int = 1) -> None:
        """Count one record, however often it comes, or the `n` that are lost there.

        `place` is "file:line" or an example's id.
        """
        if (reason, place) in self.seen:
            return
        self.seen[reason, place] = n
        self.counts[reason] = self.counts.get(reason, 0) + n
        if self.kept.setdefault(reason, 0) < PLACES_KEPT:
            self.kept[reason] += 1
            self.places.append(f"{place}: {reason}")

    def remark(self, text: str) -> None:
        """Keep a remark, however often it comes; "" is none."""
        if text and text not in self.remarks:
            self.remarks.append(text)

    def add_all(self, other: BadRecords) -> None:
        """Count what another corpus has counted."""
        for (reason, place), n in sorted(other.seen.items()):
            self.add(reason, place, n)
        for text in other.remarks:
            self.remark(text)


class Source(Protocol):
    """A corpus, real or generated."""

    name: str
    language: str
    bad: BadRecords  # filled while the splits are read

    def splits(self) -> dict[str, Iterator[Example]]:
        """Split name ("train", "dev", "test", ...) -> its examples, in a fixed order."""
        ...


def evenly(values: Sequence[T], about: int) -> Iterator[T]:
    """About `about` of the values, at even distances; all where there are fewer."""
    step = max(1, len(values) // about) if about else 1
    return (values[index] for index in range(0, len(values) if about else 0, step))


DECODER_KINDS = ("seq2seq", "permutation", "autoencoding")  # of items that the decoder learns; the others have heads
IGNORE = -100  # label of a position that must not enter a loss (torch's cross_entropy has the same default)


@dataclass(frozen=True)
class Item:
    """One training example as token ids. `kind` names the head and the loss.

    "seq2seq": the decoder learns `target`, which ends with the end token and is not shifted yet.
    "mlm": the encoder learns `labels`, one per source position, IGNORE where nothing was masked.
    "tag": the same with labels 0 and 1, IGNORE where nothing is asked.
    "match": the same with one label, at the first position.
    Any other head of the encoder's: a label for each source position, IGNORE where nothing is asked.
    "permutation": the decoder learns `target` in the order of `labels`, one rank per target position, 0: given.
    "autoencoding": like "seq2seq", but the encoder learns nothing (Norouzi et al. 2021).
    """

    source: list[int]
    target: list[int] = field(default_factory=list)
    labels: list[int] | None = None
    kind: str = "seq2seq"
    auxiliary: Item | None = None  # what the encoder learns of the same example in the same step
