"""From items of token ids to padded batches of tensors: length buckets under a token budget.

Padding is wasted work. Examples of similar source and target length share a batch, and a batch holds as many as fit
a budget of padded tokens, so every batch costs about the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch

from data.example import IGNORE, Item

BLUR = 0.03  # random share added to lengths and prices: more of it mixes the batches better and pads more
BATCH_PRICE = 100  # tokens of padding that are worth one batch less
Lengths = Sequence[tuple[int, int]]


@dataclass
class Batch:
    """Padded token ids of B examples: sources of length S, targets of length T. Masks are True at real tokens."""

    ids: list[str]  # ids of the examples
    kind: str  # the items' kind: head and loss
    source: torch.Tensor  # (B, S) long
    source_mask: torch.Tensor  # (B, S) bool
    target: torch.Tensor  # (B, T) long, ends with the end token; T = 0 where the kind has no target
    target_mask: torch.Tensor  # (B, T) bool
    decoder_input: torch.Tensor  # (B, T) long, the target shifted right by one start token
    labels: torch.Tensor | None  # (B, S) long, IGNORE where nothing is to be learnt; (B, T) ranks of "permutation"
    n_tokens: int  # real tokens of sources and targets
    number: int = 0  # of the batch in its optimiser step
    auxiliary: Batch | None = None  # of the items' auxiliary ones

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        device, moved = torch.device(device), {}
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                moved[name] = carried(value, device)
            elif isinstance(value, Batch):
                moved[name] = value.to(device)
        return replace(self, **moved)


def carried(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on another device; to a GPU it is copied while this process goes on, from memory that is not paged."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def collate(items: Sequence[Item], ids: Sequence[str], special: Any) -> Batch:
    """Pad items of one kind to a batch. `special`: a tokenizer, or whatever has `pad_id` and `decoder_start_id`.

    Raises ValueError where the items are of different kinds: each kind has its own head and loss.
    """
    kind = items[0].kind
    if any(item.kind != kind for item in items):
        raise ValueError(f"a batch holds one kind of items, not {sorted({item.kind for item in items})}")
    source, source_mask = pad([item.source for item in items], special.pad_id)  # (B, S)
    target, target_mask = pad([item.target for item in items], special.pad_id)  # (B, T)
    labels = None
    if items[0].labels is not None:
        labels, _ = pad([item.labels or [] for item in items], IGNORE)  # (B, S) or (B, T)
    decoder_input = shift_right(target, special.decoder_start_id)
    if kind == "permutation":  # model/two_streams.py reads a mask where a token is to be predicted
        decoder_input = torch.cat((decoder_input, torch.full_like(target, special.mask_id)), dim=1)  # (B, 2T)
    n_tokens = sum(len(item.source) + len(item.target) for item in items)
    pairs = [(item.auxiliary, id) for item, id in zip(items, ids, strict=True) if item.auxiliary is not None]
    auxiliary = collate(*zip(*pairs, strict=True), special) if pairs else None
    return Batch(
        list(ids), kind, source, source_mask, target, target_mask, decoder_input, labels, n_tokens, auxiliary=auxiliary
    )


def pad(rows: Sequence[Sequence[int]], value: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad rows of different lengths on the right: values (B, L) and their mask (B, L), True at real values."""
    lengths = numpy.array([len(row) for row in rows])  # (B,)
    mask = numpy.arange(lengths.max(initial=0)) < lengths[:, None]  # (B, L)
    values = numpy.full(mask.shape, value, dtype=numpy.int64)  # (B, L)
    values[mask] = [token for row in rows for token in row]
    return torch.from_numpy(values), torch.from_numpy(mask)


def shift_right(target: torch.Tensor, start_id: int) -> torch.Tensor:
    """The decoder's input (B, T) for a target (B, T): the start token, then the target up to t - 1 (chapter 4.1)."""
    shifted = target.roll(1, dims=1)  # (B, T)
    shifted[:, :1] = start_id
    return shifted


def plan_batches(
    lengths: Lengths, batch_tokens: int, seed: int, epoch: int, batch_examples: int = 0
) -> list[list[int]]:
    """The examples of each batch of an epoch by index, every example once; each (seed, epoch) has its own plan.

    `lengths`: (source, target) tokens of each example. A batch's padded tokens, examples x (longest source + longest
    target), stay within `batch_tokens`; an example that is longer alone has a batch of its own. With `batch_tokens`
    0, batches hold `batch_examples` examples drawn at random, as in chapter 3.3. Raises ValueError where both are 0.
    """
    generator = numpy.random.default_rng([seed, epoch])
    if batch_tokens > 0:
        batches = bucket_batches(numpy.array(lengths).reshape(-1, 2), batch_tokens, generator)
        return [batches[i] for i in generator.permutation(len(batches))]
    if batch_examples < 1:
        raise ValueError("data.batch_tokens and data.batch_examples are both 0; set one of them")
    order = generator.permutation(len(lengths)).tolist()
    return [order[i : i + batch_examples] for i in range(0, len(order), batch_examples)]


def bucket_batches(lengths: numpy.ndarray, batch_tokens: int, generator: numpy.random.Generator) -> list[list[int]]:
    """Halve the examples (lengths (N, 2)) by source or target length until every part fits the budget."""
    batches = []
    parts = [generator.permutation(len(lengths))] if len(lengths) else []
    while parts:
        part = parts.pop()
        if len(part) == 1 or len(part) * lengths[part].max(axis=0).sum() <= batch_tokens:
            batches.append(part.tolist())
        else:
            parts += cheapest_cut(part, lengths[part], batch_tokens, generator)
    return batches


def cheapest_cut(
    part: numpy.ndarray, lengths: numpy.ndarray, batch_tokens: int, generator: numpy.random.Generator
) -> list[numpy.ndarray]:
    """Cut a part (indices (n,), lengths (n, 2)), sorted by source or by target length, in two.

    The best cut has the lowest price of both sides. Lengths and prices are blurred: otherwise most of the examples
    that share a batch would share one in every epoch.
    """
    best, best_price = [], numpy.inf
    for axis in (0, 1):
        order = numpy.argsort(lengths[:, axis] * blur(len(part), generator))  # (n,)
        rows = lengths[order]  # (n, 2)
        below = numpy.maximum.accumulate(rows).sum(axis=1)[:-1]  # (n-1,) longest source + target left of a cut
        above = numpy.maximum.accumulate(rows[::-1]).sum(axis=1)[-2::-1]  # (n-1,) and right of it
        size = numpy.arange(1, len(part))  # (n-1,)
        price = side_price(size * below, batch_tokens) + side_price(size[::-1] * above, batch_tokens)
        price = price * blur(len(size), generator)
        cut = int(price.argmin())
        if price[cut] < best_price:
            best, best_price = [part[order[: cut + 1]], part[order[cut + 1 :]]], price[cut]
    return best


def side_price(padded: numpy.ndarray, batch_tokens: int) -> numpy.ndarray:
    """The price of a part: its padded tokens plus a cost for each batch they fill, so that few stay half empty."""
    return padded + BATCH_PRICE * numpy.ceil(padded / batch_tokens)


def blur(n: int, generator: numpy.random.Generator) -> numpy.ndarray:
    """Random factors (n,) between 1 and 1 + BLUR."""
    return 1 + BLUR * generator.random(n)
