"""Greedy decoding: y_t = argmax P(y_t | y_<t, X), the whole prefix computed again for every token.

The cache of model/decoding.py saves the work of computing the prefix again, and gives the same ids.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.heads import copy_head
from model.numpy_reference.linear import Weights, part
from model.numpy_reference.softmax import softmax
from model.numpy_reference.transformer import decode, encode, logits


def next_token_probs(
    prefix: ndarray, source: ndarray, memory: ndarray, source_mask: ndarray, weights: Weights, config: ModelConfig
) -> ndarray:
    """The probabilities of equation (3) after a prefix (B, t) with its start token, copying mixed in: (B, V)."""
    states, _ = decode(prefix, memory, source_mask, weights, config)
    last = states[:, -1:]  # (B, 1, d_model)
    probs = softmax(logits(last, weights, config))[:, 0]  # (B, V)
    if config.copy_head:
        pointer = copy_head(last, memory, source_mask, part(weights, "copy_head"))
        probs = pointer["generate"] * probs  # (B, V), the gate (B, 1)
        np.add.at(
            probs, (np.arange(len(source))[:, None], source), (1 - pointer["generate"]) * pointer["pointed"][:, 0]
        )
    return probs


def greedy(
    source: ndarray, source_mask: ndarray, weights: Weights, config: ModelConfig, start_id: int, end_id: int,
    max_new_tokens: int,
) -> list[list[int]]:
    """Decode greedily: the ids for each source (B, S), without start and end tokens."""
    memory, _ = encode(source, source_mask, weights, config)
    prefix = np.full((len(source), 1), start_id)
    ended = np.zeros(len(source), dtype=bool)
    while not ended.all() and prefix.shape[1] <= max_new_tokens:
        token = next_token_probs(prefix, source, memory, source_mask, weights, config).argmax(axis=-1)  # (B)
        prefix = np.concatenate((prefix, token[:, None]), axis=1)
        ended |= token == end_id
    return [before_end(ids, end_id) for ids in prefix[:, 1:].tolist()]


def before_end(ids: list[int], end_id: int) -> list[int]:
    """The ids before the first end token, or all of them."""
    return ids[: ids.index(end_id)] if end_id in ids else ids
