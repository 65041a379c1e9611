"""A chunk's items, of which each of N processes makes 1/N and is told all: batches are planned by all items' lengths.

An example's items depend on (seed, epoch, example id) alone, so a process could make again what others have made for
its batches: three quarters of a chunk for each of two processes, twice its share for each of 64. The items themselves
are told instead, as text: to write and to read one costs a sixth of making it, and a process reads those of its own
batches only. A chunk of 16,384 mined functions makes 8 MB of text: as much as the gradients of two million weights, of
one step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data.example import BadRecords, Item
from training.batch_loss import n_predicted_of
from training.parallel import Ranks

Group = tuple[str, str]  # kind and task: what the items of a batch have in common


class Made(NamedTuple):
    """An item that this process has made, and the id of the example that it was made of."""

    item: Item
    id: str

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens of source and target."""
        return len(self.item.source), len(self.item.target)

    @property
    def n_predicted(self) -> int:
        """How much of it enters the loss."""
        return n_predicted_of(self.item)


class Told(NamedTuple):
    """The same of an item as all of several processes know it: it is read where it is collated."""

    text: bytes
    id: str
    lengths: tuple[int, int]
    n_predicted: int

    @property
    def item(self) -> Item:
        """The item, read anew."""
        return read_item(json.loads(self.text))


def read_item(values: dict) -> Item:
    """An item out of its fields; the auxiliary one is as it was read too."""
    auxiliary = values["auxiliary"]
    return Item(**values | {"auxiliary": auxiliary and read_item(auxiliary)})


def share_of(numbers: Sequence[int], ranks: Ranks) -> Sequence[int]:
    """The part of the examples that a process makes: neighbours on the disk, all together each number once."""
    first, end = (len(numbers) * rank // ranks.world for rank in (ranks.rank, ranks.rank + 1))
    return numbers[first:end]


def tell_all(
    ranks: Ranks, made: Mapping[int, Sequence[tuple[Group, Made]]], own_bad: BadRecords, bad: BadRecords
) -> dict[int, list[tuple[Group, Told]]]:
    """Tell all processes what each has made, by number of the example, and count in `bad` what all have counted.

    The processes' shares follow each other, so bad records are met in the order in which one process meets them.
    """
    rows, texts = [], []
    for number, items in made.items():
        rows.append([number, len(items)])
        for group, one in items:
            rows.append([*group, *one.lengths, one.n_predicted, one.id])
            texts.append(json.dumps(one.item, default=vars, separators=(",", ":")))
    counted = [[*record, n] for record, n in own_bad.seen.items()]
    own = "\n".join([json.dumps([rows, counted]), *texts])

    found: dict[int, list[tuple[Group, Told]]] = {}
    for told in ranks.collect(own.encode("ascii")):
        head, *texts = told.split(b"\n")
        (rows, counted), remaining = json.loads(head), iter(texts)
        rows = iter(rows)
        for number, n_items in rows:
            found[number] = [told_item(next(rows), next(remaining)) for _ in range(n_items)]
        for reason, place, n in counted:
            bad.add(reason, place, n)
    return found


def told_item(row: Sequence, text: bytes) -> tuple[Group, Told]:
    """What stands in a row about an item."""
    kind, task, n_source, n_target, n_predicted, id = row
    return (kind, task), Told(text, id, (n_source, n_target), n_predicted)
