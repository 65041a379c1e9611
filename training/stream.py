"""From examples to an endless, repeatable stream of batches: objectives, epochs, length buckets.

An epoch is a shuffled order of the examples, cut into chunks. A chunk's examples become items under the objectives
that are on, the items become batches of similar length, and the batches come in random order. Everything random
depends on (seed, epoch, example id) alone, so a stream goes on from any position exactly as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy

from data.batches import Batch, collate, plan_batches
from data.config import DataConfig
from data.example import BadRecords, Example, Item
from data.multi_task import Tasks, task_of
from data.objectives import example_generator
from model.heads import ENCODER_HEADS
from system.errors import UserError
from training.mixture import Mixture
from training.parallel import Ranks
from training.shares import Group, Made, Told, share_of, tell_all

# A batch holds items of one kind. The order is that of the batches before they are shuffled, so no seed may change it.
BATCH_KINDS = ("seq2seq", *ENCODER_HEADS, "permutation", "autoencoding")
Planned = list[Made | Told]  # what a batch will hold
Plan = list[Planned]
CHUNK_EXAMPLES = 16_384  # examples that are made into batches together: bounds memory and the wait for the first batch


@dataclass(frozen=True)
class StreamPosition:
    """Where a stream stands: the next batch to come."""

    epoch: int = 0
    chunk: int = 0
    batch: int = 0


def examples_in_epoch(examples: Sequence[Example]) -> int:
    """How many examples there are in an epoch."""
    return sum(examples.counts) if isinstance(examples, Tasks) else len(examples)


@dataclass
class Stream:
    """The examples of a mixture under its objectives."""

    mixture: Mixture
    data: DataConfig
    bad: BadRecords
    ranks: Ranks | None = None  # processes that make the items together; batches are the same for any number of them
    first: Plan | None = field(default=None, init=False, repr=False)  # the first chunk, from counting to training
    drawn: tuple[int, numpy.ndarray] | None = field(default=None, init=False, repr=False)  # an epoch and its order

    @property
    def n_chunks(self) -> int:
        """Chunks in an epoch."""
        return -(-examples_in_epoch(self.mixture.examples) // CHUNK_EXAMPLES)

    def batches(self, position: StreamPosition = StreamPosition()) -> Iterator[tuple[StreamPosition, Batch]]:
        """Batches from `position` on, without end, each with the position that follows it. Raises UserError."""
        return ((following, self.collated(planned)) for following, planned in self.planned(position))

    def planned(self, position: StreamPosition = StreamPosition()) -> Iterator[tuple[StreamPosition, Planned]]:
        """What batches will hold, from `position` on, without end, each with the position that follows it.

        Raises UserError when a whole epoch has none: without it the loop would wait for ever.
        """
        from_start, found = position.chunk == position.batch == 0, False
        while True:
            for following, planned in self.planned_chunk(position):
                found = True
                yield following, planned
            if position.chunk + 1 < self.n_chunks:
                position = StreamPosition(position.epoch, position.chunk + 1)
                continue
            if from_start and not found:
                raise UserError(f"no training example is left ({self.bad.counts}); raise data.max_*_length")
            position, from_start, found = StreamPosition(position.epoch + 1), True, False

    def one_epoch(self) -> Iterator[Batch]:
        """The batches of the first epoch, none when no example fits."""
        return map(self.collated, self.planned_epoch())

    def planned_epoch(self) -> Iterator[Planned]:
        """What the batches of the first epoch will hold."""
        for chunk in range(self.n_chunks):
            for _, planned in self.planned_chunk(StreamPosition(0, chunk)):
                yield planned

    def planned_chunk(self, position: StreamPosition) -> Iterator[tuple[StreamPosition, Planned]]:
        """What is left of the chunk at `position`, each batch with the position that follows it."""
        counted, self.first = self.first if position.epoch == position.chunk == 0 else None, None
        plan = self.chunk(position.epoch, position.chunk) if counted is None else counted
        for index in range(position.batch, len(plan)):
            yield replace(position, batch=index + 1), plan[index]

    def collated(self, planned: Planned) -> Batch:
        """The batch of these items."""
        return collate([one.item for one in planned], [one.id for one in planned], self.mixture.tokenizer)

    def count_batches(self, epochs: float) -> int:
        """Batches in so many epochs: those of the first epoch, counted for each set of objectives that is on.

        Other epochs differ by a few, as their buckets are drawn anew.
        """
        total, counted = 0.0, {}
        for epoch in range(math.ceil(epochs)):
            on = self.mixture.on(epoch)
            if on not in counted:
                counted[on] = sum(self.count_chunk(epoch, chunk) for chunk in range(self.n_chunks))
            total += counted[on] * min(1.0, epochs - epoch)
        return round(total)

    def count_chunk(self, epoch: int, chunk: int) -> int:
        """Batches in a chunk; the first one is kept, as training begins with it."""
        plan = self.chunk(epoch, chunk)
        if epoch == chunk == 0:
            self.first = plan
        return len(plan)

    def chunk(self, epoch: int, chunk: int) -> Plan:
        """What the batches of one chunk will hold."""
        order = self.order(epoch)[chunk * CHUNK_EXAMPLES : (chunk + 1) * CHUNK_EXAMPLES].tolist()
        # Read by number, as they lie on the disk; then in the epoch's order.
        of_example = self.made(sorted(set(order)), epoch)
        groups: dict[Group, Planned] = {}
        for index in order:
            for group, one in of_example[index]:
                groups.setdefault(group, []).append(one)
        batches = []
        for kind, task in sorted(groups, key=lambda group: (BATCH_KINDS.index(group[0]), group[1])):
            alike = groups[kind, task]
            streams = 2 if kind == "permutation" else 1  # the decoder reads twice the target
            lengths = [(source, streams * target) for source, target in (one.lengths for one in alike)]
            plan = plan_batches(lengths, self.data.batch_tokens, self.mixture.seed, epoch, self.data.batch_examples)
            batches += [[alike[index] for index in indices] for indices in plan]
        shuffled = example_generator(self.mixture.seed, epoch, f"batches of chunk {chunk}").permutation(len(batches))
        return [batches[index] for index in shuffled]

    def made(self, numbers: Sequence[int], epoch: int) -> Mapping[int, Sequence[tuple[Group, Made | Told]]]:
        """The items of these examples by number; of several processes each makes its share of them."""
        if not self.is_shared:
            return {number: self.grouped(self.mixture.examples[number], epoch) for number in numbers}
        alone = self.alone()
        return tell_all(self.ranks, alone.made(share_of(numbers, self.ranks), epoch), alone.bad, self.bad)

    @property
    def is_shared(self) -> bool:
        """Whether several processes make the items together."""
        return self.ranks is not None and self.ranks.world > 1

    def alone(self) -> Stream:
        """The stream of this process alone, with bad records of its own."""
        return replace(self, bad=BadRecords(), ranks=None)

    def grouped(self, example: Example, epoch: int) -> list[tuple[Group, Made]]:
        """The example's items, each with the kind and the task that share a batch."""
        task = task_of(example) if self.mixture.strategies.meta.kind != "none" else ""
        return [((one.item.kind, task), one) for one in self.items(example, epoch)]

    def order(self, epoch: int) -> numpy.ndarray:
        """The examples of an epoch by number, in a random order; of ten millions it takes a second, so it is kept."""
        if self.drawn is None or self.drawn[0] != epoch:
            self.drawn = epoch, self.draw(epoch)
        return self.drawn[1]

    def draw(self, epoch: int) -> numpy.ndarray:
        """Draw the order of an epoch."""
        generator, examples = example_generator(self.mixture.seed, epoch, "order"), self.mixture.examples
        if isinstance(examples, Tasks):
            return examples.drawn(generator)
        # Four bytes an example: the order is all that grows with the corpus.
        return generator.permutation(numpy.arange(len(examples), dtype=numpy.int32))

    def check_lengths(self) -> None:
        """Before training and not in its middle, raise UserError where examples are too long as they stand.

        With data.strict the first of them is refused, else only that all are; with data.truncate nothing is too long.
        """
        if self.data.truncate:
            return
        longest = self.data.max_source_length, self.data.max_target_length
        tokenizer = self.mixture.tokenizer
        for example in self.mixture.examples:
            code = len(tokenizer.frame(tokenizer.encode_target(example.code), target=True))
            source = code if example.nl is None else len(tokenizer.frame(tokenizer.encode(example.nl)))
            lengths = source, code
            fits = lengths[0] <= longest[0] and lengths[1] <= longest[1]
            if fits and not self.data.strict:
                return
            if self.data.strict and not fits:
                raise UserError(
                    f"{example.place} has {lengths[0]} + {lengths[1]} tokens, data.max_source_length and "
                    f"data.max_target_length are {longest[0]} and {longest[1]}; raise them, or leave out --data.strict"
                )
        if self.mixture.examples and not self.data.strict:
            raise UserError(f"every example is longer than {longest[0]} + {longest[1]} tokens; raise data.max_*_length")

    def count_too_long(self) -> None:
        """Count in `bad` the described examples that are too long as plain pairs; each of several processes a share."""
        pairs, numbers, counting = self.mixture.functions["pairs"], range(len(self.mixture.examples)), self
        if self.is_shared:
            numbers, counting = share_of(numbers, self.ranks), self.alone()
        for example in map(self.mixture.examples.__getitem__, numbers):
            if example.nl is not None:
                counting.fit(pairs(example, self.mixture.tokenizer, None), example)
        if self.is_shared:
            tell_all(self.ranks, {}, counting.bad, self.bad)

    def items(self, example: Example, epoch: int) -> list[Made]:
        """The example under each objective, as far as it is short enough, with the id of what it was made of."""
        fitted = ((self.fit(item, origin), origin.id) for item, origin in self.mixture.items(example, epoch))
        return [Made(item, id) for item, id in fitted if item is not None]

    def fit(self, item: Item, example: Example) -> Item | None:
        """The item when it is short enough. A longer one is counted and cut (data.truncate) or skipped.

        A task beside it that is longer, as it may read description and code, is counted and left out.
        """
        longest = self.data.max_source_length, self.data.max_target_length
        if item.auxiliary is not None and len(item.auxiliary.source) > longest[0]:
            self.bad.add(f"without strategies.auxiliary.task: longer than {longest[0]} tokens", example.place)
            item = replace(item, auxiliary=None)
        if len(item.source) <= longest[0] and len(item.target) <= longest[1]:
            return item
        reason = f"longer than {longest[0]} + {longest[1]} tokens"
        if self.data.truncate:
            self.bad.add(f"truncated: {reason}", example.place)
            closing, target_closing = len(self.mixture.tokenizer.suffix), len(self.mixture.tokenizer.target_suffix)
            source, target = cut(item.source, longest[0], closing), cut(item.target, longest[1], target_closing)
            of_labels = (longest[1], target_closing) if item.kind == "permutation" else (longest[0], closing)
            labels = None if item.labels is None else cut(item.labels, *of_labels)
            return replace(item, source=source, target=target, labels=labels)
        self.bad.add(f"skipped: {reason}", example.place)
        return None


def cut(ids: list[int], longest: int, closing: int = 1) -> list[int]:
    """At most `longest` ids; what is cut out stands before the `closing` special ones at the end, which stay."""
    return ids if len(ids) <= longest else [*ids[: longest - closing], *ids[-closing:]]
