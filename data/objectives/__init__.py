"""What a network is trained on: one plain function an objective, `(example, tokenizer, generator) -> Item`.

`pairs` is fine-tuning proper, `masked_language_modelling`, `span_corruption` and `denoise` are self-supervised
(chapter 2.1), `rename` changes an example before `pairs`. Each lies in a file of its own and is imported only by the
run that uses it. The generator comes from `example_generator`: random choices about an example depend on the seed,
the epoch and the example alone, never on the worker or the order.
"""

from __future__ import annotations

import hashlib

import numpy


def example_generator(seed: int, epoch: int, example_id: str) -> numpy.random.Generator:
    """The generator of one example in one epoch, the same in every process (Philox: Salmon et al. 2011)."""
    name = f"{seed}/{epoch}/{example_id}".encode("utf-8", errors="surrogatepass")
    key = int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "little")
    return numpy.random.Generator(numpy.random.Philox(key=key))
