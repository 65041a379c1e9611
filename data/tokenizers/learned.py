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


def learned_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """`train_tokenizer(texts, vocab_size)`, remembered. Raises UserError where that does."""
    texts = list(texts)
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
