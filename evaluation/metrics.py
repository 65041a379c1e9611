"""Scores of predicted code against references: chapter 3.1, step 5.

Nothing is skipped: a missing output is wrong and `n` is the number of lines. Every score has its interval over
examples (evaluation/intervals.py). BLEU is Papineni et al. 2002 and chrF Popovic 2015, both by sacrebleu (Post 2018)
on the text as it is; ROUGE is Lin 2004 by rouge-score, the mean of the lines' F1 over the language's tokens.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from data.code.tokens import split_tokens
from data.example import Example
from evaluation.exact_match import exact_match, parses
from evaluation.intervals import interval_of_mean, interval_of_score
from evaluation.programs.run import Outcome

Score = dict[str, float | int]  # value, low, high, n

WITHOUT_BLEU = "BLEU counts runs of four tokens, and no reference has four: it says nothing about the outputs"
LENGTH_EDGES = (5, 10, 20, 40, 80)  # upper ends, in tokens, of the groups of `length_groups`


def score_predictions(
    references: Sequence[Example],
    predictions: Sequence[str | None],
    duplicates: Collection[str] = frozenset(),
    outcomes: Sequence[Outcome] | None = None,
) -> dict[str, Score]:
    """All scores of one split: metric -> {"value", "low", "high", "n"}; BLEU and chrF in 0..100, others in 0..1.

    `predictions` holds one text per reference, None or "" where there is no output; `duplicates` the ids whose pair
    stands in the training lines (see `data.held_out`); `outcomes` what running the predictions gave. A metric that
    does not apply is left out: `parses` unless every reference is Python, `tests_passed` without outcomes,
    `exact_match_without_duplicates` when only duplicates are left. Raises ValueError when the lengths differ.
    """
    predictions = _checked(references, predictions, outcomes)
    exact = exact_matches(references, predictions)
    scores = {}
    new = np.array([reference.id not in duplicates for reference in references])
    if new.any():
        scores["exact_match_without_duplicates"] = mean_score(exact[new])
    scores["exact_match"] = mean_score(exact)
    if outcomes is not None:
        scores["tests_passed"] = mean_score([outcome.passed for outcome in outcomes])
    if all(reference.language == "python" for reference in references):
        scores["parses"] = mean_score(well_formed(references, predictions))
    return scores | text_scores(references, predictions)


def mean_score(values: Sequence[float] | np.ndarray) -> Score:
    """The mean of one number per example, with its interval."""
    low, high = interval_of_mean(values)
    return {"value": float(np.mean(values)), "low": low, "high": high, "n": len(values)}


def exact_matches(references: Sequence[Example], predictions: Sequence[str | None]) -> np.ndarray:
    """For each example whether the prediction is the reference, token by token: (n,) bool."""
    pairs = zip(references, predictions, strict=True)
    return np.array([exact_match(ref.code, text or "", ref.language) for ref, text in pairs], dtype=bool)


def well_formed(references: Sequence[Example], predictions: Sequence[str | None]) -> np.ndarray:
    """For each example whether the prediction parses: (n,) bool. Where the reference is a single line, the prediction
    may be a part of a statement too (see `exact_match.parses`)."""
    pairs = zip(references, predictions, strict=True)
    return np.array([parses(text or "", "\n" not in ref.code.strip()) for ref, text in pairs], dtype=bool)


def gold_parses(references: Sequence[Example]) -> float:
    """The share of the references themselves that parses, printed beside the predictions' share."""
    return float(well_formed(references, [reference.code for reference in references]).mean())


def text_scores(references: Sequence[Example], predictions: Sequence[str | None]) -> dict[str, Score]:
    """BLEU and chrF of the corpus, ROUGE-1, -2 and -L as means over the lines."""
    texts = [text or "" for text in predictions]
    codes = [reference.code for reference in references]
    scores = {"bleu": corpus_score(_bleu(), codes, texts), "chrf": corpus_score(_chrf(), codes, texts)}
    rouge = _rouge_f1(references, texts)  # (n, 3)
    for column, name in enumerate(("rouge_1", "rouge_2", "rouge_l")):
        scores[name] = mean_score(rouge[:, column])
    return scores


def too_short_for_bleu(codes: Iterable[str]) -> bool:
    """Whether no reference has four of BLEU's tokens, runs of which it counts: it is 0 then, even if all is right."""
    bleu = _bleu()
    return all(len(bleu.tokenizer(code).split()) < bleu.max_ngram_order for code in codes)


def corpus_score(metric: BLEU | CHRF, references: Sequence[str], texts: Sequence[str]) -> Score:
    """A corpus score with its interval, both from sacrebleu's per-line counts: texts are read once."""
    counts = metric._extract_corpus_statistics(list(texts), [list(references)])
    counts = np.array(counts, dtype=float)  # (n, k)

    def score(sums: np.ndarray) -> float:
        return metric._compute_score_from_stats(sums.tolist()).score

    low, high = interval_of_score(counts, score)
    return {"value": score(counts.sum(axis=0)), "low": low, "high": high, "n": len(texts)}


def line_score(reference: str, prediction: str | None) -> float:
    """chrF of one line, 0..100: what the report sorts best and worst predictions by."""
    return _chrf().sentence_score(prediction or "", [reference]).score


def signatures() -> dict[str, str]:
    """sacrebleu's signatures, which say exactly what was measured and stand beside every BLEU and chrF."""
    signed = {}
    for name, metric in (("bleu", _bleu()), ("chrf", _chrf())):
        metric.corpus_score(["a"], [["a"]])  # the signature names the number of references, known after a first score
        signed[name] = str(metric.get_signature())
    return signed


class LengthGroup(NamedTuple):
    """Examples whose references are of similar length."""

    shortest: int  # tokens
    longest: int
    rows: list[int]  # the examples' indices


def length_groups(references: Sequence[Example], edges: Sequence[int] = LENGTH_EDGES) -> list[LengthGroup]:
    """The examples by the reference's length in tokens, short ones first, without empty groups.

    Groups end at `edges` (inclusive), the last has no end; `shortest` and `longest` are the lengths found in a group.
    """
    lengths = np.array([len(split_tokens(reference.code, reference.language)) for reference in references])
    groups = []
    for above, end in pairwise((-1, *edges, np.inf)):
        rows = np.flatnonzero((lengths > above) & (lengths <= end))
        if rows.size:
            groups.append(LengthGroup(int(lengths[rows].min()), int(lengths[rows].max()), rows.tolist()))
    return groups


def pack_bits(values: Sequence[bool] | np.ndarray) -> str:
    """A per-example 0/1 vector as a short string, "n:base64 of the bits", for result lines."""
    bits = np.packbits(np.asarray(values, dtype=bool))
    return f"{len(values)}:{base64.b64encode(bits.tobytes()).decode('ascii')}"


def unpack_bits(packed: str) -> np.ndarray:
    """The vector that `pack_bits` wrote: (n,) bool. Raises ValueError when the string is not one."""
    length, _, text = packed.partition(":")
    bits = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    if len(bits) != (int(length) + 7) // 8:
        raise ValueError(f"{packed[:40]!r} is cut: {int(length)} bits are announced, {8 * len(bits)} are there")
    return np.unpackbits(bits, count=int(length)).astype(bool)


def _checked(
    references: Sequence[Example], predictions: Sequence[str | None], outcomes: Sequence[Outcome] | None
) -> list[str]:
    """The predictions as texts. Raises ValueError unless there is one prediction and one outcome per reference."""
    if not references:
        raise ValueError("there is nothing to score: the split has no lines")
    for name, values in (("predictions", predictions), ("outcomes", outcomes)):
        if values is not None and len(values) != len(references):
            raise ValueError(f"{len(values)} {name} for {len(references)} references; there must be one for each")
    return [text or "" for text in predictions]


def _bleu() -> BLEU:
    return BLEU(force=True)  # force: no warning about texts that end in " .", which code may


def _chrf() -> CHRF:
    return CHRF()


class _AlreadySplit:
    """Stands for rouge-score's own tokenizer, which would throw everything but letters and digits away."""

    def tokenize(self, tokens: list[str]) -> list[str]:
        return tokens


def _rouge_f1(references: Sequence[Example], texts: list[str]) -> np.ndarray:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L per line: (n, 3)."""
    from rouge_score.rouge_scorer import RougeScorer  # takes long to import, and training does not need it

    kinds = ("rouge1", "rouge2")
    scorer = RougeScorer(kinds, tokenizer=_AlreadySplit())
    rows = []
    for reference, text in zip(references, texts, strict=True):
        theirs, ours = (split_tokens(code, reference.language) for code in (reference.code, text))
        scores = scorer.score(theirs, ours)
        rows.append([*(scores[kind].fmeasure for kind in kinds), rouge_l(theirs, ours)])
    return np.array(rows)


def rouge_l(reference: Sequence[str], prediction: Sequence[str]) -> float:
    """F1 of the longest common subsequence (Lin 2004), as rouge-score has it from a table of all pairs of tokens."""
    if not reference or not prediction:
        return 0.0
    common = longest_common_subsequence(reference, prediction)
    precision, recall = common / len(prediction), common / len(reference)
    return 2 * precision * recall / (precision + recall) if common else 0.0


def longest_common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Its length. A row of the usual table is one integer, a bit a token (Hyyro 2004): long programs take no minutes.

    A bit of `row` is 0 where the length grows from one token of `longer` to the next.
    """
    shorter, longer = sorted((left, right), key=len)
    places: dict[str, int] = {}
    for place, token in enumerate(longer):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(longer)) - 1
    row = full
    for token in shorter:
        matched = row & places.get(token, 0)
        row = (row + matched | row - matched) & full
    return len(longer) - row.bit_count()
