"""The choice among beam search's hypotheses: the likeliest, or one that other evidence favours.

    what parses goes before what does not             --evaluation.parsing_first
    score(y) = log P(y | x) / |y|^alpha + weight log P(x | y) / |x|, x the description, y the code

The second is reranking by a reverse model, one that was trained on code -> description (`--data.reverse`): code that
leaves a word of the description out makes that word improbable (reconstruction: Yin and Neubig 2019, 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from data.batches import collate
from data.example import Example, Item
from data.tokenizers.tokenizer import Tokenizer, source_ids
from evaluation.config import EvaluationConfig
from evaluation.exact_match import exact_match, parses
from evaluation.predict import Candidate
from model.transformer import Transformer


class Reverse(NamedTuple):
    """A network that writes descriptions of code."""

    run: str  # its folder
    model: Transformer
    tokenizer: Tokenizer
    max_source_length: int


def choose(
    candidates: Sequence[Sequence[Candidate]], references: Sequence[Example], config: EvaluationConfig,
    reverse: Reverse | None = None,
) -> list[str]:
    """The code of the chosen candidate for each example; of the references only description and language are used."""
    scores = [[candidate.score for candidate in of_one] for of_one in candidates]
    if reverse is not None:
        descriptions = [example.nl or "" for example in references]
        backward = iter(backward_scores(reverse, candidates, descriptions, config.batch_examples))
        scores = [[score + config.reverse_weight * next(backward) for score in of_one] for of_one in scores]
    chosen = []
    for of_one, of_scores, example in zip(candidates, scores, references, strict=True):
        first = config.parsing_first and example.language == "python"
        ranks = [
            (first and parses(one.code, single_line=True), score) for one, score in zip(of_one, of_scores, strict=True)
        ]
        chosen.append(of_one[max(range(len(ranks)), key=lambda index: ranks[index])].code)
    return chosen


def oracle(candidates: Sequence[Sequence[Candidate]], references: Sequence[Example]) -> list[bool]:
    """For each example whether any candidate is right: the upper bound of every way of choosing."""
    return [
        any(exact_match(candidate.code, example.code, example.language) for candidate in of_one)
        for of_one, example in zip(candidates, references, strict=True)
    ]


@torch.no_grad()
def backward_scores(
    reverse: Reverse, candidates: Sequence[Sequence[Candidate]], descriptions: Sequence[str], batch_examples: int
) -> list[float]:
    """log P(description | code) for each token of the description, of every candidate in turn."""
    model, tokenizer = reverse.model.eval(), reverse.tokenizer
    room = reverse.max_source_length - len(tokenizer.frame([]))
    items = [
        Item(
            source_ids(candidate.code, tokenizer, reverse.max_source_length),
            tokenizer.frame(tokenizer.encode_target(description)[:room], target=True),
        )
        for of_one, description in zip(candidates, descriptions, strict=True)
        for candidate in of_one
    ]

    order = sorted(range(len(items)), key=lambda index: len(items[index].source) + len(items[index].target))
    scores = [0.0] * len(items)

    for first in range(0, len(order), batch_examples):
        rows = order[first : first + batch_examples]
        batch = collate([items[row] for row in rows], [""] * len(rows), tokenizer)
        batch = batch.to(model.embedding.weight.device)
        log_probs, _ = model.target_log_probs(
            batch.source, batch.source_mask, batch.decoder_input, batch.target, batch.target_mask
        )  # (N)
        lengths = batch.target_mask.sum(dim=1).tolist()
        for row, of_row in zip(rows, log_probs.split(lengths), strict=True):
            scores[row] = of_row.mean().item()
    return scores
