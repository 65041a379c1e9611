"""From P to tokens: greedy decoding, one step of beam search, and the distribution that is sampled from."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray

from model.numpy_reference.softmax import log_softmax
from teaching.exercises.exercise import Case, Exercise, Function, mistakes_of

# -- greedy decoding


def language(draw: np.random.Generator, batch: int, vocab_size: int, end_id: int, hurry: float) -> Function:
    """A made-up network: log P(y_t | y_<t, X) that depends on the sentence and on the order of the whole prefix.

    `hurry` is what the end token gains with every token.
    """
    start, table = draw.normal(size=(batch, vocab_size)), 2 * draw.normal(size=(vocab_size, vocab_size))

    def next_log_probs(prefix: ndarray) -> ndarray:
        if np.shape(prefix)[0] != batch:
            raise ValueError(f"next_log_probs needs a prefix for each of the {batch} sentences, also for ended ones")
        scores = start.copy()
        for column in np.asarray(prefix).T:
            scores = 0.6 * scores + table[column]
        scores[:, end_id] += hurry * prefix.shape[1] - 3
        return log_softmax(scores)

    return next_log_probs


def greedy_cases(draw: np.random.Generator) -> list[Case]:
    """Outputs of different lengths, some of which never end; other special ids."""

    def case(about: str, batch: int, special: tuple[int, int, int], most: int, hurry: float) -> Case:
        start_id, end_id, pad_id = special
        return Case(about, (language(draw, batch, 9, end_id, hurry), batch, start_id, end_id, pad_id, most))

    return [
        case("1 sentence, up to 12 tokens", 1, (2, 1, 0), 12, 0.8), case("4 sentences", 4, (2, 1, 0), 10, 0.9),
        case("6 sentences, none ends at once", 6, (0, 3, 8), 7, 0.5), case("cut after 4 tokens", 3, (2, 1, 0), 4, 0.1),
    ]  # fmt: skip


def greedy_by_definition(
    next_log_probs: Function, batch: int, start_id: int, end_id: int, pad_id: int, max_new_tokens: int
) -> ndarray:
    """Greedy decoding of each sentence as if it were alone."""
    outputs = []
    for b in range(batch):
        said: list[int] = []
        while len(said) < max_new_tokens:
            prefix = np.array([[start_id, *said]] * batch)
            token = int(torch.from_numpy(next_log_probs(prefix)[b]).argmax())
            if token == end_id:
                break
            said.append(token)
        outputs.append(said + [pad_id] * (max_new_tokens - len(said)))
    return np.array(outputs)


def slipped_greedy(
    next_log_probs: Function, batch: int, start_id: int, end_id: int, pad_id: int, max_new_tokens: int, slip: str
) -> ndarray:
    """The loop of greedy decoding with a known mistake."""
    prefix = np.full((batch, 1), start_id)
    ended = np.zeros(batch, dtype=bool)
    output = np.full((batch, max_new_tokens), pad_id)

    for step in range(max_new_tokens - (slip == "one less")):
        others = {"last alone": prefix[:, -1:], "start alone": prefix[:, :1], "turned": prefix[:, ::-1]}
        seen = others.get(slip, prefix)
        scores = next_log_probs(seen)
        token = scores.argmin(axis=-1) if slip == "least" else scores.argmax(axis=-1)
        if slip == "one for all":
            token = np.full(batch, scores.max(axis=0).argmax())
        if slip == "first ends, at once" and (token == end_id).any():
            break
        written = token if slip in ("end kept", "goes on") else np.where(token == end_id, pad_id, token)
        output[:, step] = written if slip == "goes on" else np.where(ended, pad_id, written)
        ended |= token == end_id
        if ended.all() or (slip == "first ends" and ended.any()):
            break
        prefix = np.concatenate([prefix, token[:, None]], axis=1)

    if slip == "start kept":
        return np.concatenate([np.full((batch, 1), start_id), output], axis=1)[:, :max_new_tokens]
    return output


GREEDY_SLIPS = [
    ("end kept", "the end token kept in the output", "end_id stands nowhere in the output"),
    ("start kept", "the start token kept in the output", "output[:, 0] is the first token that was chosen"),
    ("goes on", "an output that goes on after its end token", "behind the end token's place there is padding alone"),
    ("first ends", "a loop that stops when the first sentence ends",
     "a sentence decoded alone and in a batch gives the same output"),
    ("first ends, at once", "a loop that stops when the first sentence ends",
     "a sentence decoded alone and in a batch gives the same output"),
    ("one less", "one token too few, the start token counted", "an output that never ends has max_new_tokens tokens"),
    ("last alone", "the last token alone given, not the whole prefix",
     "the prefix given at step t has t + 1 columns: print prefix.shape"),
    ("start alone", "the start token alone given at every step", "the prefix given at step t has t + 1 columns"),
    ("turned", "the prefix given back to front", "the prefix's first column is start_id at every step"),
    ("one for all", "one token for the whole batch", "a sentence decoded alone and in a batch gives the same output"),
    ("least", "the least probable token", "the token chosen has the largest of log_probs"),
]  # fmt: skip

GREEDY = Exercise("greedy", ("output",), greedy_cases, greedy_by_definition, mistakes_of(slipped_greedy, GREEDY_SLIPS))


# -- a step of beam search


def beam_cases(draw: np.random.Generator) -> list[Case]:
    """Open and finished hypotheses of different lengths that are close to each other, with and without a penalty."""

    def case(about: str, lengths: list[int], longest: int, alpha: float, end_id: int = 1) -> Case:
        beam, vocab_size = len(lengths), 6
        log_probs = log_softmax(1.5 * draw.normal(size=(beam, vocab_size)))
        sums = -draw.uniform(0.6, 1.4, beam) * (np.array(lengths) + 1.0) ** max(alpha, 0.3)
        return Case(about, (sums, np.array(lengths), np.array(lengths) < longest, log_probs, alpha, end_id))

    return [
        case("2 open, no penalty", [3, 3], 3, 0.0), case("4 open, penalty 1", [2, 2, 2, 2], 2, 1.0),
        case("4, two finished, penalty 1", [6, 3, 6, 5], 6, 1.0, 5),
        case("5, two finished, penalty 0.6", [2, 8, 8, 8, 7], 8, 0.6),
        case("6, three finished, penalty 1", [4, 4, 1, 2, 4, 3], 4, 1.0),
        case("6, two finished, penalty 2", [1, 3, 3, 3, 2, 3], 3, 2.0, 0),
    ]  # fmt: skip


def beam_by_definition(
    sums: ndarray, lengths: ndarray, finished: ndarray, log_probs: ndarray, alpha: float, end_id: int
) -> tuple[ndarray, ndarray, ndarray]:
    """A step of beam search by sorting a list of all candidates."""
    candidates = []
    for k in range(len(sums)):
        if finished[k]:
            candidates.append((sums[k] / lengths[k] ** alpha, k, end_id, sums[k]))
            continue
        for token, log_prob in enumerate(log_probs[k]):
            total = sums[k] + log_prob
            candidates.append((total / (lengths[k] + 1) ** alpha, k, token, total))
    best = sorted(candidates, key=lambda candidate: -candidate[0])[: len(sums)]
    return tuple(np.array([candidate[i] for candidate in best]) for i in (1, 2, 3))


def slipped_beam(
    sums: ndarray, lengths: ndarray, finished: ndarray, log_probs: ndarray, alpha: float, end_id: int, slip: str
) -> tuple[ndarray, ndarray, ndarray]:
    """A step of beam search over one array of all K V candidates, with a known mistake."""
    vocab_size, beam = log_probs.shape[1], len(sums)
    totals = log_probs if slip == "sums forgotten" else sums[:, None] + log_probs
    longer = lengths[:, None] + (0 if slip == "old length" else 1) + np.zeros_like(log_probs, dtype=int)

    if slip != "finished extended":
        totals, is_end = totals.copy(), np.arange(vocab_size) == end_id
        totals[finished] = np.where(is_end, sums[finished, None], -np.inf)
        longer[finished] = lengths[finished, None] + (slip == "finished longer")
        if slip == "finished dropped":
            totals[finished] = -np.inf

    if slip == "no penalty":
        scores = totals
    else:
        scores = totals * longer**alpha if slip == "multiplied" else totals / longer**alpha

    if slip == "one each":
        tokens = scores.argmax(axis=1)
        order = np.argsort(-scores.max(axis=1))
        return order, tokens[order], totals[order, tokens[order]]
    index = np.argsort(-scores, axis=None)[:beam]
    if slip == "worst first":
        index = index[::-1]

    parents, tokens = index // vocab_size, index % vocab_size
    if slip == "scores returned":
        return parents, tokens, scores[parents, tokens]
    if slip == "divmod":
        return index // beam % beam, index % beam, totals[parents, tokens]
    return parents, tokens, totals[parents, tokens]


BEAM_SLIPS = [
    ("sums forgotten", "the sum of the prefix forgotten", "sums[i] - log_probs[parent, token] is the parent's sum"),
    ("no penalty", "no length penalty", "score = sum / length**alpha decides, not the sum"),
    ("multiplied", "a multiplication by length**alpha", "with alpha 1 a score is the mean log-probability of a token"),
    ("old length", "the length before the new token", "the new token counts: an extension has the length + 1"),
    ("finished extended", "finished hypotheses extended", "a finished one has one candidate, itself"),
    ("finished longer", "a finished hypothesis that grows longer", "a finished one keeps its length, and so its score"),
    ("finished dropped", "finished hypotheses dropped", "a finished one competes with the extensions"),
    ("one each", "the best token of each beam alone", "two of the best K may have the same parent"),
    ("scores returned", "scores returned in place of sums", "sums holds sums of log P, undivided"),
    ("divmod", "K in place of V when the index is taken apart", "index = parent * V + token"),
    ("worst first", "the worst of the best first", "scores fall from first to last"),
]

BEAM_STEP = Exercise(
    "beam_step", ("parents", "tokens", "sums"), beam_cases, beam_by_definition, mistakes_of(slipped_beam, BEAM_SLIPS)
)


# -- what is sampled from


def nucleus_cases(draw: np.random.Generator) -> list[Case]:
    """Nuclei of one and of several tokens, sharp and flat."""

    def case(about: str, batch: int, temperature: float, top_p: float) -> Case:
        return Case(about, (draw.normal(size=(batch, 4)), draw.normal(size=(7, 4)), temperature, top_p))

    return [
        case("temperature 1, all tokens", 2, 1.0, 1.0), case("temperature 1, nucleus 0.6", 3, 1.0, 0.6),
        case("temperature 0.5, nucleus 0.9", 3, 0.5, 0.9), case("temperature 2, nucleus 0.3", 3, 2.0, 0.3),
        case("temperature 0.001, nucleus 0.9", 3, 0.001, 0.9),
    ]  # fmt: skip


def nucleus_by_definition(states: ndarray, w_output: ndarray, temperature: float, top_p: float) -> ndarray:
    """Nucleus sampling's distribution, row by row: the best tokens are taken until they sum to top_p."""
    probs = (torch.from_numpy(states) @ torch.from_numpy(w_output).T / temperature).softmax(dim=-1)
    result = torch.zeros_like(probs)
    for row, out in zip(probs, result):
        taken = 0.0
        for token in row.argsort(descending=True).tolist():
            if taken >= top_p:
                break
            out[token] = row[token]
            taken += row[token].item()
        out /= out.sum()
    return result.numpy()


def slipped_nucleus(states: ndarray, w_output: ndarray, temperature: float, top_p: float, slip: str) -> ndarray:
    """Equation (3), sharpened and cut, with a known mistake."""
    logits = states @ w_output.T
    logits = {"multiplied": logits * temperature, "no temperature": logits, "after softmax": logits}.get(
        slip, logits / temperature
    )

    axis = 0 if slip == "batch" else -1
    probs = np.exp(logits - logits.max(axis=axis, keepdims=True))
    probs = probs / probs.sum(axis=axis, keepdims=True)
    if slip == "after softmax":
        probs = probs / temperature

    order = np.argsort(-probs, axis=-1)
    ordered = np.take_along_axis(probs, order, axis=-1)
    before = np.cumsum(ordered, axis=-1) - ordered  # what all better tokens sum to
    keep = before < top_p
    if slip == "one less":
        keep = (before + ordered <= top_p) | (np.arange(probs.shape[1]) == 0)
    if slip == "one less, maybe none":
        keep = before + ordered < top_p
    if slip in ("one less, or none", "one less, or 0/0"):
        keep = before + ordered <= top_p
    if slip == "one more":
        keep = np.concatenate([np.ones((len(keep), 1), dtype=bool), keep[:, :-1]], axis=1)

    cut = np.where(keep, ordered, 0)
    if slip == "threshold":
        cut = np.where(ordered >= 1 - top_p, ordered, 0)
    if slip == "not cut":
        cut = ordered
    left = cut.sum(axis=-1, keepdims=True)
    if slip == "one less, or none":
        left = np.maximum(left, 1e-12)  # a guard that hides the mistake
    cut = cut if slip == "not renormalised" else cut / left

    if slip == "sorted":
        return cut
    back = order if slip == "order for inverse" else np.argsort(order, axis=-1)
    return np.take_along_axis(cut, back, axis=-1)


ENOUGH = "the tokens kept sum to at least top_p, and without the least of them to less"
BEST_TOKEN = "the most probable token is the one with the largest logit"

NUCLEUS_SLIPS = [
    ("one less", "the token that crosses top_p cut off", ENOUGH),
    ("one less, maybe none", "the token that crosses top_p cut off", ENOUGH),
    ("one less, or none", "the token that crosses top_p cut off", ENOUGH),
    ("one less, or 0/0", "the token that crosses top_p cut off", ENOUGH),
    ("one more", "one token too many", ENOUGH),
    ("threshold", "a threshold on single probabilities", ENOUGH),
    ("not cut", "nothing cut off", ENOUGH),
    ("not renormalised", "no division by what is left", "each row sums to 1"),
    ("sorted", "probabilities left in sorted order", BEST_TOKEN),
    ("order for inverse", "sorted twice, not sorted back", BEST_TOKEN),
    ("multiplied", "a multiplication by the temperature", "a temperature near 0 leaves the best token alone"),
    ("no temperature", "no temperature", "a temperature near 0 leaves the best token alone"),
    ("after softmax", "the temperature applied to probabilities", "a temperature near 0 leaves the best token alone"),
    ("batch", "softmax over the batch", "each row sums to 1 before anything is cut"),
]

NUCLEUS = Exercise(
    "nucleus", ("probs",), nucleus_cases, nucleus_by_definition, mistakes_of(slipped_nucleus, NUCLEUS_SLIPS)
)

EXERCISES = (GREEDY, BEAM_STEP, NUCLEUS)
