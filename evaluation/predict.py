"""Batched decoding with a trained model, from descriptions to code (chapter 3.1, steps 5 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm

from data.batches import pad
from data.config import DataConfig
from data.slots import hide_in_description, restore
from data.tokenizers.tokenizer import Tokenizer, source_ids
from evaluation.config import EvaluationConfig
from model.decoding import Sampling, SpecialIds, beam_search, greedy, sample
from model.ensemble import Ensemble
from model.transformer import Transformer


class Candidate(NamedTuple):
    """One hypothesis of decoding."""

    code: str
    score: float  # log P / length^alpha; 0 of greedy decoding, which has only one


def predict(
    model: Transformer | Ensemble, tokenizer: Tokenizer, descriptions: Sequence[str], config: EvaluationConfig,
    data: DataConfig,
) -> tuple[list[str], int]:
    """The likeliest code for each description, in their order, and how many descriptions had to be cut."""
    candidates, n_cut = predict_candidates(model, tokenizer, descriptions, config, data)
    return [of_one[0].code for of_one in candidates], n_cut


def is_cut(description: str, tokenizer: Tokenizer, data: DataConfig) -> bool:
    """Whether a description is longer than the network reads."""
    text = hide_in_description(description, data)
    return len(tokenizer.frame(tokenizer.encode(text))) > data.max_source_length


def predict_candidates(
    model: Transformer | Ensemble, tokenizer: Tokenizer, descriptions: Sequence[str], config: EvaluationConfig,
    data: DataConfig, name: str = "decoding", n_best: int = 1,
) -> tuple[list[list[Candidate]], int]:
    """At most `n_best` of the beam's hypotheses for each description, likeliest first; how many had to be cut.

    With `data.slots` the network sees and writes slots, and what comes back has texts in their places.
    Descriptions of similar length are decoded together, so that little is padding.
    """
    device = next(model.parameters()).device
    special = ids_for_decoding(tokenizer)
    texts = [hide_in_description(text, data) for text in descriptions]
    sources = [source_ids(text, tokenizer, data.max_source_length) for text in texts]
    n_cut = sum(is_cut(text, tokenizer, data) for text in descriptions)

    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    candidates: list[list[Candidate]] = [[] for _ in sources]

    with tqdm(total=len(sources), desc=name, unit=" lines", leave=False, disable=None) as bar:
        for start in range(0, len(order), config.batch_examples):
            rows = order[start : start + config.batch_examples]
            source, mask = (part.to(device) for part in pad([sources[row] for row in rows], tokenizer.pad_id))
            if config.beam == 1:
                decoded = greedy(model, source, mask, special, config.max_new_tokens)
                of_rows = [[Candidate(tokenizer.decode(ids), 0.0)] for ids in decoded]
            else:
                hypotheses = beam_search(
                    model, source, mask, special, config.max_new_tokens, config.beam, config.length_penalty, n_best
                )
                of_rows = [[Candidate(tokenizer.decode(one.ids), one.score) for one in best] for best in hypotheses]
            for row, of_row in zip(rows, of_rows, strict=True):
                candidates[row] = of_row
            bar.update(len(rows))

    restored = [
        [one._replace(code=restore(one.code, text, data)) for one in of_one]
        for of_one, text in zip(candidates, descriptions, strict=True)
    ]
    return restored, n_cut


def sample_programs(
    model: Transformer | Ensemble, tokenizer: Tokenizer, description: str, n: int, sampling: Sampling, seed: int,
    config: EvaluationConfig, data: DataConfig,
) -> list[str]:
    """Draw `n` random programs for one description."""
    device = next(model.parameters()).device
    text = hide_in_description(description, data)
    ids = torch.tensor([source_ids(text, tokenizer, data.max_source_length)] * n, device=device)  # (n, S)
    generator = torch.Generator(device).manual_seed(seed)
    special = ids_for_decoding(tokenizer)
    outputs = sample(
        model, ids, torch.ones_like(ids, dtype=torch.bool), special, config.max_new_tokens, sampling, generator,
    )
    codes = [tokenizer.decode(output) for output in outputs]
    return [restore(code, description, data) for code in codes]


def ids_for_decoding(tokenizer: Tokenizer) -> SpecialIds:
    """The ids that decoding needs."""
    return SpecialIds(tokenizer.pad_id, tokenizer.end_id, tokenizer.decoder_start_id, tokenizer.never_ids)
