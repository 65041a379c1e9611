"""Training examples held out for early stopping and tuning, and duplicates between splits.

Both go by the normalised pair: description and code with every run of blanks made one. Line-by-line corpora repeat
themselves (19.2% of the Django dev pairs in the published files also stand in training), so examples with the same pair
are held out together, and scores are given a second time without the pairs that training has seen.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from data.example import Example

TENTH = 10  # one in so many is held out at most: neither a small corpus nor one of few pairs is held out whole


def normalised_pair(example: Example) -> str:
    """Description and code with every run of blanks replaced by one, NUL between them."""
    return spaced(example.nl or "") + "\0" + spaced(example.code)


def spaced(text: str) -> str:
    """The text with every run of blanks replaced by one."""
    return " ".join(text.split())


def hold_out(examples: Sequence[Example], n: int, seed: int) -> tuple[list[Example], list[Example]]:
    """(training, held out): about `n` examples, at most a tenth of all, chosen by a hash of their normalised pair.

    Every pair has its rank from (seed, pair) alone, and the pairs of the lowest ranks are held out until they make up
    `n` examples. A pair of so many copies that with it they would be more than a tenth, rounded up, is passed over.
    Hence neither the order of the examples nor what else is read changes a pair's rank, no pair stands on both sides,
    and an example more or less moves only the pairs at the boundary. Both parts keep the order given.
    """
    pairs = [normalised_pair(example) for example in examples]
    copies = Counter(pairs)
    wanted = min(n, len(examples) // TENTH)
    most = -(-len(examples) // TENTH)  # rounded up
    chosen: set[str] = set()
    n_chosen = 0
    for pair in sorted(copies, key=lambda pair: rank(pair, seed)):
        if n_chosen >= wanted:
            break
        if n_chosen + copies[pair] <= most:
            chosen.add(pair)
            n_chosen += copies[pair]
    training = [example for example, pair in zip(examples, pairs, strict=True) if pair not in chosen]
    held_out = [example for example, pair in zip(examples, pairs, strict=True) if pair in chosen]
    return training, held_out


def rank(pair: str, seed: int) -> bytes:
    """The rank of a pair in an order that depends on (seed, pair) alone."""
    return hashlib.sha256(f"{seed}\0{pair}".encode("utf-8", "surrogatepass")).digest()


def part_of(name: bytes, parts: int) -> int:
    """The number of the equal part that a name falls into by its SHA-256, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % parts


def duplicates(train: Iterable[Example], examples: Iterable[Example]) -> set[str]:
    """The ids of those `examples` whose normalised pair also stands in `train`."""
    known = {normalised_pair(example) for example in train}
    return {example.id for example in examples if normalised_pair(example) in known}


def data_hash(examples: Iterable[Example]) -> str:
    """A hash of training data in 16 hexadecimal digits: SHA-256 over ids, descriptions and code, in order."""
    return hash_of(f"{example.id}\0{example.nl}\0{example.code}\0" for example in examples)


def older_data_hash(examples: Iterable[Example]) -> str:
    """The hash that `data_hash` gave of a user's own files when their names were part of the ids."""
    return hash_of(f"{example.place}\0{example.nl}\0{example.code}\0" for example in examples)


def pairs_hash(examples: Iterable[Example]) -> str:
    """A hash of the pairs alone, whatever they are called, however often they stand there and in whatever order."""
    return hash_of(sorted({f"{normalised_pair(example)}\0" for example in examples}))


def hash_of(texts: Iterable[str]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of texts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
