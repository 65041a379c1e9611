"""What a network is trained on: one plain function an objective, `(example, tokenizer, generator) -> Item`.

`pairs` is fine-tuning proper, `rename` changes an example before it, and the others are for pretraining (chapter 2.1).
Each lies in a file of its own and is imported only by the run that uses it. An objective gives None for an example that
has nothing for it. The generator comes from `example_generator`: random choices about an example depend on the seed,
the epoch and the example alone, never on the worker or the order.
"""

from __future__ import annotations

import hashlib

import numpy
from numpy.random.bit_generator import ISeedSequence

from data.example import Example


def example_generator(seed: int, epoch: int, example_id: str) -> numpy.random.Generator:
    """The generator of one example in one epoch, the same in every process (Philox: Salmon et al. 2011)."""
    name = f"{seed}/{epoch}/{example_id}".encode("utf-8", errors="surrogatepass")
    return numpy.random.Generator(numpy.random.Philox(Key(hashlib.blake2b(name, digest_size=16).digest())))


class Key(ISeedSequence):
    """16 bytes as Philox's key. `Philox(key=...)` is the same, but fetches entropy that it does not use first."""

    def __init__(self, key: bytes) -> None:
        self.words = numpy.frombuffer(key, dtype="<u8")  # (2,)

    def generate_state(self, n_words: int, dtype: type = numpy.uint64) -> numpy.ndarray:
        """The key itself, which is the two 64-bit words that Philox asks for."""
        return self.words


def text_of(example: Example) -> str:
    """What an objective about one text takes: the description, or the code where there is none."""
    return example.code if example.nl is None else example.nl
