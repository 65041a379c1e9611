"""MinHash signatures (Broder 1997), by datasketch and cut into bands, which tell which examples are nearly the same.

Two texts of which a share J of all runs of five words are common agree in a value of their signatures with probability
J, and in a whole band of 8 values with J^8: texts that share none of 16 bands are hardly ever alike (J = 0.8: 5%).
"""

from __future__ import annotations

import functools
import hashlib
import re

import numpy
from datasketch import MinHash

from data.shards.duplicates import BAND, N_BANDS, N_VALUES

SHINGLE = 5  # words in a row
FEWEST_WORDS = 20  # shorter texts are compared as a whole only: a few words say too little
WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")
ODD = numpy.array([1, 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], numpy.uint64)


class Signer:
    """A signer of texts, which reuses one MinHash of datasketch."""

    def __init__(self) -> None:
        self.minhash = MinHash(num_perm=N_VALUES, hashfunc=int, scheme="affine32")

    def sign(self, text: str) -> numpy.ndarray | None:
        """The signature (128,) uint32; None for a text of few words."""
        words = WORD_OR_SIGN.findall(text)
        if len(words) < FEWEST_WORDS:
            return None
        self.minhash.clear()
        self.minhash.update_batch(shingles(words).tolist())
        return self.minhash.hashvalues.astype(numpy.uint32)


def shingles(words: list[str]) -> numpy.ndarray:
    """The 32-bit hashes of all runs of five words, each once."""
    hashes = numpy.array([word_hash(word) for word in words], numpy.uint64)  # (n,)
    runs = numpy.lib.stride_tricks.sliding_window_view(hashes, SHINGLE)  # (n - 4, 5)
    mixed = (runs * ODD).sum(axis=1, dtype=numpy.uint64)  # modulo 2^64
    return numpy.unique(mixed >> numpy.uint64(32))


@functools.lru_cache(maxsize=200_000)
def word_hash(word: str) -> int:
    """A 64-bit hash of a word, the same in every process."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def bands(signature: numpy.ndarray | None, own: int) -> list[int]:
    """A 64-bit key of each band; without a signature the example's `own` key each time, which nothing else has."""
    if signature is None:
        return [own] * N_BANDS
    parts = signature.reshape(N_BANDS, BAND)
    return [
        int.from_bytes(hashlib.blake2b(part.tobytes(), digest_size=8, salt=bytes([number])).digest(), "little")
        for number, part in enumerate(parts)
    ]
