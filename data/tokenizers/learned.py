"""A tokenizer that is learned from texts once, and afterwards read from the user's cache."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from system.cache import cache_key, remembered, sources_hash

LEARNER = Path(__file__).with_name("tokenizer.py")  # its source decides what is learned
MOST_LETTERS = 2**26  # learned from: more do not change the pieces, and take memory (20 bytes each) and time
PART_LETTERS = 1000  # a long text is thinned in parts of this many letters


def learned_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """`train_tokenizer(texts, vocab_size)`, remembered; texts beyond MOST_LETTERS are thinned. Raises UserError."""
    texts = thinned(list(texts), MOST_LETTERS)
    key = cache_key(texts_hash(texts), vocab_size, sentencepiece.__version__, sources_hash([LEARNER]))

    def learn() -> str:
        return base64.b64encode(train_tokenizer(texts, vocab_size).model).decode("ascii")

    return Tokenizer(base64.b64decode(remembered("tokenizers", key, learn)))


def texts_hash(texts: Iterable[str]) -> str:
    """SHA-256 over the texts in order; each ends with a byte that UTF-8 never has."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\xff")
    return digest.hexdigest()


def thinned(texts: list[str], most: int) -> list[str]:
    """The texts with about `most` letters at most: of the longest, only parts at even distances are left.

    Texts are as long as before, or as a length that is the same for all which were longer.
    """
    room, longest = most, 0
    if sum(map(len, texts)) <= most:
        return texts
    for left, length in zip(range(len(texts), 0, -1), sorted(map(len, texts)), strict=True):
        longest = room // left
        if length > longest:
            break
        room -= length
    return [text if len(text) <= longest else parts(text, longest) for text in texts]


def parts(text: str, length: int) -> str:
    """Parts of a text at even distances, about `length` letters in all, each on lines of its own."""
    n_parts = max(1, length // PART_LETTERS)
    size = length // n_parts
    starts = (number * len(text) // n_parts for number in range(n_parts))
    return "\n".join(text[start : start + size] for start in starts)
