"""Two sequences of tokens aligned as difflib does it, in bounded time: repetitive texts would take it minutes."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from os.path import commonprefix

MOST_PAIRS = 3_000_000  # pairs of equal tokens that are looked at: under a second

Opcode = tuple[str, int, int, int, int]


def opcodes(left: Sequence[str], right: Sequence[str], most: int = MOST_PAIRS) -> list[Opcode]:
    """`SequenceMatcher(None, left, right, autojunk=False).get_opcodes()`.

    Once `most` pairs of equal tokens have been looked at, the stretches that are left count as replaced; of texts that
    have more pairs altogether only the beginnings and the ends are compared.
    """
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    matcher.matching_blocks = blocks(matcher, most)  # where get_opcodes looks first
    return matcher.get_opcodes()


def blocks(matcher: SequenceMatcher, most: int) -> list[tuple[int, int, int]]:
    """The matching blocks (start in left, start in right, length), in order, and an empty one at the end.

    The longest block is found first, then those before it and behind it, and so on. A search in a stretch of `left`
    looks at every place of `right` where one of its tokens stands.
    """
    n_left, n_right = len(matcher.a), len(matcher.b)
    pairs = [0, *accumulate(len(matcher.b2j.get(token, ())) for token in matcher.a)]
    found, stretches, looked_at = [], [(0, n_left, 0, n_right)], 0
    if pairs[-1] > most:
        found, stretches = ends(matcher.a, matcher.b), []
    while stretches:
        low, high, right_low, right_high = stretches.pop()
        looked_at += pairs[high] - pairs[low]
        if looked_at > most:
            break
        start, right_start, length = matcher.find_longest_match(low, high, right_low, right_high)
        if length:
            found.append((start, right_start, length))
            if low < start and right_low < right_start:
                stretches.append((low, start, right_low, right_start))
            if start + length < high and right_start + length < right_high:
                stretches.append((start + length, high, right_start + length, right_high))
    return [*joined(sorted(found)), (n_left, n_right, 0)]


def ends(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int, int]]:
    """The tokens at the beginning and at the end that both have, as blocks."""
    first = len(commonprefix([left, right]))
    last = len(commonprefix([left[:first - len(left) - 1 : -1], right[:first - len(right) - 1 : -1]]))
    found = [(0, 0, first), (len(left) - last, len(right) - last, last)]
    return [block for block in found if block[2]]


def joined(found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The blocks with those made one that touch on both sides."""
    result: list[tuple[int, int, int]] = []
    for start, right_start, length in found:
        if result and (sum(result[-1][::2]), sum(result[-1][1:])) == (start, right_start):
            result[-1] = (*result[-1][:2], result[-1][2] + length)
        else:
            result.append((start, right_start, length))
    return result
