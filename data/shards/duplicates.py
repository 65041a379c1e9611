"""The examples of a corpus that repeat an earlier one, exactly or nearly, found in memory that does not grow with it.

Examples that have a key in common are candidates (data/shards/signatures.py). The keys of one kind are taken a share at
a time, those whose highest bits are the same, so that never more than about MOST of them are held. Of two that are
alike the earlier one stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

N_VALUES, BAND = 128, 8  # values of a signature; values of a band
N_BANDS = N_VALUES // BAND
ALIKE = 0.8  # share of equal values from which on two texts are near duplicates
MOST = 200_000  # keys in memory at a time


def find_duplicates(
    units: Sequence[Path], sizes: Sequence[int], done: Callable[[], Any] = lambda: None
) -> tuple[numpy.ndarray, dict[str, int]]:
    """(kept, counts): kept (n,) bool for the examples of all units in order; `sizes`: examples in each unit."""
    kept = numpy.ones(sum(sizes), bool)
    firsts = numpy.concatenate(([0], numpy.cumsum(sizes))).astype(numpy.int64)  # (units + 1,) number of the first
    counts = {"exact duplicates": 0, "near duplicates": 0}
    shares = 1 << max(0, (int(firsts[-1]) // MOST).bit_length())
    for column in range(1 + N_BANDS):
        for share in range(shares):
            keys, numbers = keys_of(units, sizes, firsts, column, share, shares)
            order = numpy.lexsort((numbers, keys))
            keys, numbers = keys[order], numbers[order]
            for group in numpy.split(numbers, numpy.flatnonzero(keys[1:] != keys[:-1]) + 1):
                if len(group) > 1:
                    name = "near duplicates" if column else "exact duplicates"
                    counts[name] += drop_repeated(group, kept, units, firsts, nearly=column > 0)
        done()
    return kept, counts


def keys_of(
    units: Sequence[Path], sizes: Sequence[int], firsts: numpy.ndarray, column: int, share: int, shares: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The keys of one column that fall into a share of all, and the numbers of their examples."""
    keys, numbers = [numpy.zeros(0, numpy.uint64)], [numpy.zeros(0, numpy.int64)]
    bits = shares.bit_length() - 1
    for unit, size, first in zip(units, sizes, firsts.tolist(), strict=False):
        own = numpy.fromfile(unit.with_suffix(".keys"), "<u8", size, offset=8 * column * size)
        chosen = own >> numpy.uint64(64 - bits) == share if bits else numpy.ones(size, bool)
        keys.append(own[chosen])
        numbers.append(first + numpy.flatnonzero(chosen))
    return numpy.concatenate(keys), numpy.concatenate(numbers)


def drop_repeated(
    group: numpy.ndarray, kept: numpy.ndarray, units: Sequence[Path], firsts: numpy.ndarray, nearly: bool
) -> int:
    """Drop from an ordered group with one key the examples that are like an earlier one; returns how many."""
    group = group[kept[group]]
    if not nearly:
        kept[group[1:]] = False
        return max(0, len(group) - 1)
    dropped, signatures = 0, []
    for number in group.tolist():
        signature = signature_of(number, units, firsts)
        if any((signature == other).mean() >= ALIKE for other in signatures):
            kept[number] = False
            dropped += 1
        else:
            signatures.append(signature)
    return dropped


def signature_of(number: int, units: Sequence[Path], firsts: numpy.ndarray) -> numpy.ndarray:
    """The signature of one example, read from its unit's file."""
    unit = int(numpy.searchsorted(firsts, number, side="right")) - 1
    offset = 4 * N_VALUES * (number - int(firsts[unit]))
    return numpy.fromfile(units[unit].with_suffix(".signatures"), "<u4", N_VALUES, offset=offset)
