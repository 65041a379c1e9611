"""The data contract: the examples that every corpus gives, and the items that every objective makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
PLACE = "place"  # of an example's meta: file and line, where its id does not say them


@dataclass(frozen=True)
class Example:
    """One pair of a description and its code; unlabelled text has `nl=None`."""

    id: str  # unique within its corpus and stable over runs: random choices depend on it
    nl: str | None  # description in natural language
    code: str
    language: str = "python"
    tests: tuple[str, ...] = ()  # statements that raise when the code is wrong, e.g. "assert f([]) == 0"
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where a person finds it: "file:line", or its id."""
        return self.meta.get(PLACE, self.id)


@dataclass
class BadRecords:
    """Training records that were skipped or truncated: the number of each kind, and the places of the first ones."""

    counts: dict[str, int] = field(default_factory=dict)  # reason -> number of records
    places: list[str] = field(default_factory=list)  # "file:line: reason", the first 20
    seen: set[tuple[str, str]] = field(default_factory=set, repr=False)  # what another pass must not count again

    def add(self, reason: str, place: str) -> None:
        """Count one record, however often it comes; `place` is "file:line" or an example's id."""
        if (reason, place) in self.seen:
            return
        self.seen.add((reason, place))
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if len(self.places) < 20:
            self.places.append(f"{place}: {reason}")


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
