"""The division of tasks between training and tests, by stable hashes so that no list is needed.

Every exact program and every description stands on one side only. The pairs of operations in `held_pairs` never stand
together in a training program, in either order and whatever stands between them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import combinations, pairwise

from data.tasks.grammar import Grammar, grammar, may_follow

TEST_SHARE = 8  # one in so many programs, and one in so many descriptions, is never trained on
PAIR_SHARE = 12  # one in so many pairs of operations is held out
Pair = tuple[str, str]  # two operations in alphabetical order: the pair is the same in either order


def stable_hash(text: str) -> int:
    """64 bits of `text`, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def on_test_side(text: str) -> bool:
    """Whether a program or a description is kept from training."""
    return stable_hash(text) % TEST_SHARE == 0


def _pair(ops: tuple[str, str]) -> Pair:
    return min(ops), max(ops)


def _possible_pairs(grammar: Grammar) -> set[Pair]:
    """Pairs of operations of which one may directly follow the other."""
    forms = grammar.forms
    pairs = {form.ops for form in forms if len(form.ops) == 2}
    pairs |= {(f.ops[-1], g.ops[0]) for f in forms for g in forms if may_follow(f, g)}
    pairs |= {(f.ops[-1], c.name) for f in forms for c in grammar.combiners if f.gives == c.parts}
    return set(map(_pair, pairs))


@cache
def held_pairs(n_operations: int = 0) -> frozenset[Pair]:
    """The pairs of the first `n_operations` (0: all) that training never has; every operation is in two of them."""
    over = grammar(n_operations)
    ranked = sorted(_possible_pairs(over), key=lambda pair: (stable_hash(" ".join(pair)), pair))
    held = set(ranked[: len(ranked) // PAIR_SHARE])
    for name in over.operations:
        mine = [pair for pair in ranked if name in pair]
        held |= set(mine[:2])
    return frozenset(held)


def has_held_pair(ops: tuple[str, ...], n_operations: int = 0) -> bool:
    """Whether a held-out pair stands anywhere in `ops`."""
    return not held_pairs(n_operations).isdisjoint(map(_pair, combinations(ops, 2)))


def has_neighbouring_held_pair(ops: tuple[str, ...], n_operations: int = 0) -> bool:
    """Whether a held-out pair stands in `ops` side by side."""
    return not held_pairs(n_operations).isdisjoint(map(_pair, pairwise(ops)))
