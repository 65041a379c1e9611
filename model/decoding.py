"""From a source to generated tokens: greedy decoding, beam search and sampling, a token per open row and step.

Each step evaluates equation (3) (chapter 4.1), P(y_t | y_1, .., y_{t-1}, X), for the newest token only; the keys and
values of the tokens before it wait in the cache (model/attention.py). The three ways differ in how they choose y_t:

    greedy       y_t = argmax P(y_t | ..)
    sample       y_t drawn from P(y_t | ..), sharpened and cut to the most probable tokens
    beam_search  the K prefixes y_1 .. y_t with the largest sum of log P are kept

Sources of different lengths are decoded together, and a source that is finished leaves the batch. An output ends with
the end token (which is not returned) or after `max_new_tokens` tokens, the end token counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model.ensemble import Ensemble, EnsembleState
from model.fast import FastTransformer, runs_as_made
from model.fast_decoding import FastDecodingState
from model.transformer import Transformer

STEEPEST = 10  # length penalty; with more, float32 would hold no score of a thousand tokens


@dataclass(frozen=True)
class SpecialIds:
    """The token ids that decoding must know; every tokenizer has its own."""

    pad_id: int  # fills the unused end of an output while it is made
    end_id: int  # the model's last token
    decoder_start_id: int  # the decoder's first input, y_0
    never_ids: tuple[int, ...] = ()  # tokens that are never chosen (Marian's padding: `bad_words_ids`)


class DecodingState:
    """The decoding state of K rows for each of b sources, one row a beam (K = 1 where there are no beams)."""

    def __init__(
        self, model: Transformer, source: Tensor, source_mask: Tensor, max_new_tokens: int, beam: int,
        never_ids: tuple[int, ...],
    ) -> None:
        self.model, self.beam, self.never_ids = model, beam, list(never_ids)
        self.source, self.source_mask = source, source_mask  # (b*K, S) both
        self.memory = model.encode(source, source_mask)  # (b*K, S, d_model)
        self.cache = model.start_cache(self.memory, source_mask, max_new_tokens)
        if beam > 1:
            self.take(torch.arange(len(source), device=source.device).repeat_interleave(beam))

    def log_probs(self, token: Tensor) -> Tensor:
        """Equation (3) after one more `token` (b*K,) in each row, -inf where a token is never chosen: (b*K, V)."""
        states = self.model.decode(token[:, None], self.memory, self.source_mask, cache=self.cache)  # (b*K, 1, d_model)
        logits = self.model.logits(states)  # (b*K, 1, V)
        log_probs = self.model.log_probs(logits, states, self.memory, self.source, self.source_mask)[:, 0]  # (b*K, V)
        if self.never_ids:
            log_probs[:, self.never_ids] = -torch.inf
        return log_probs

    def reorder(self, parents: Tensor) -> None:
        """Let beam i of each source continue the prefix of beam parents[i]: parents (b, K)."""
        self.cache.reorder(self.rows_of(parents), same_sources=True)

    def keep(self, groups: Tensor) -> None:
        """Make source i what source `groups[i]` was, and drop the other sources, which are finished."""
        beams = torch.arange(self.beam, device=groups.device).expand(len(self.source) // self.beam, -1)  # (b, K)
        self.take(self.rows_of(beams).view(-1, self.beam)[groups].flatten())

    def rows_of(self, beams: Tensor) -> Tensor:
        """The row numbers (b*K,) of beam numbers within each source (b, K)."""
        return (beams + self.beam * torch.arange(len(beams), device=beams.device)[:, None]).flatten()

    def take(self, rows: Tensor) -> None:
        """Make row i what row `rows[i]` was."""
        self.cache.reorder(rows)
        self.source, self.source_mask, self.memory = self.source[rows], self.source_mask[rows], self.memory[rows]


def start_decoding(
    model: Transformer | Ensemble, source: Tensor, source_mask: Tensor, special: SpecialIds, max_new_tokens: int,
    beam: int = 1,
) -> DecodingState | FastDecodingState | EnsembleState:
    """The decoding state before the first step: the sources encoded, equation (1), and room for `max_new_tokens`.

    Raises ValueError.
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens={max_new_tokens} must be at least 1")
    if isinstance(model, Ensemble):
        return EnsembleState(
            [start_decoding(one, source, source_mask, special, max_new_tokens, beam) for one in model.networks]
        )
    if model.training:
        raise ValueError("the model is in training mode, where dropout disturbs decoding; call model.eval() first")
    kind = FastDecodingState if takes_fast_steps(model, source.device.type) else DecodingState
    return kind(model, source, source_mask, max_new_tokens, beam, special.never_ids)


def takes_fast_steps(model: Transformer, device: str) -> bool:
    """Whether a network takes fast steps; else it steps through its modules.

    So does a fast network that lacks one of its pieces, one whose modules are watched or replaced, and under autocast,
    which changes what modules compute.
    """
    if not isinstance(model, FastTransformer) or model.config.removed or not runs_as_made(model):
        return False
    return not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device))


def next_log_probs(
    state: DecodingState | FastDecodingState | EnsembleState, token: Tensor, step: int, max_new_tokens: int
) -> Tensor:
    """The state's next log-probabilities (b*K, V). Raises ValueError where they are NaN in the first step or the last.

    A row that is NaN once is NaN to the end, so the steps between need not be looked at.
    """
    log_probs = state.log_probs(token)
    if step in (0, max_new_tokens - 1):
        refuse_nan(log_probs)
    return log_probs


def refuse_nan(log_probs: Tensor) -> None:
    """Refuse log-probabilities that are NaN, of which every choice would be arbitrary. Raises ValueError."""
    if log_probs.isnan().any():
        raise ValueError(
            "the network's probabilities are NaN: its weights hold numbers that are not finite or far too large; "
            "take an earlier checkpoint, or train again with a lower learning rate"
        )


@torch.inference_mode()
def greedy(
    model: Transformer | Ensemble, source: Tensor, source_mask: Tensor, special: SpecialIds, max_new_tokens: int
) -> list[list[int]]:
    """Choose the most probable next token at every step.

    source (B, S) long and source_mask (B, S) bool, True = real token. Returns B lists of ids in the order of the
    sources, without start and end tokens. Raises ValueError for an impossible setting.
    """
    return generate(model, source, source_mask, special, max_new_tokens, lambda log_probs: log_probs.argmax(dim=-1))


@dataclass(frozen=True)
class Sampling:
    """How the next token's distribution is reshaped before a token is drawn, in the order of the fields."""

    temperature: float = 1.0  # below 1 sharpens, above 1 flattens
    top_k: int = 0  # only the k most probable tokens; 0: all
    top_p: float = 1.0  # only the nucleus (Holtzman et al. 2020): the fewest best tokens that sum to top_p; 1: all

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature} must be above 0; use greedy decoding for the limit 0")
        if self.temperature == math.inf:
            raise ValueError("temperature=inf must be a finite number")
        if not isinstance(self.top_k, int) or self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must be at least 0, a whole number (0 keeps every token)")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must be above 0 and at most 1 (1 keeps every token)")


@torch.inference_mode()
def sample(
    model: Transformer | Ensemble,
    source: Tensor,
    source_mask: Tensor,
    special: SpecialIds,
    max_new_tokens: int,
    sampling: Sampling = Sampling(),
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Draw one random output for each source; for n of each, repeat the rows: `source.repeat_interleave(n, dim=0)`.

    `generator`, on the model's device, makes the draw repeatable. Shapes, result and errors as in `greedy`.
    """

    def draw(log_probs: Tensor) -> Tensor:
        refuse_nan(log_probs)
        return draw_tokens(log_probs, sampling, generator)

    return generate(model, source, source_mask, special, max_new_tokens, draw)


def generate(
    model: Transformer | Ensemble,
    source: Tensor,
    source_mask: Tensor,
    special: SpecialIds,
    max_new_tokens: int,
    choose: Callable[[Tensor], Tensor],
) -> list[list[int]]:
    """Write one output per source; `choose` picks the next tokens (b,) from log-probabilities (b, V)."""
    state = start_decoding(model, source, source_mask, special, max_new_tokens)
    places = torch.arange(len(source), device=source.device)  # (b,) the output that each open row writes to
    outputs = source.new_full((len(source), max_new_tokens), special.pad_id)  # (B, max_new_tokens)
    token = source.new_full((len(source),), special.decoder_start_id)  # (b,)
    for step in range(max_new_tokens):
        token = choose(next_log_probs(state, token, step, max_new_tokens))
        outputs[places, step] = token
        is_open = token != special.end_id
        if not is_open.all():
            still_open = is_open.nonzero()[:, 0]
            if not len(still_open):
                break
            state.keep(still_open)
            places, token = places[still_open], token[still_open]
    return [before_end(output, special.end_id) for output in outputs.tolist()]


def before_end(ids: list[int], end_id: int) -> list[int]:
    """The ids before the first end token, or all of them."""
    return ids[: ids.index(end_id)] if end_id in ids else ids


def draw_tokens(log_probs: Tensor, sampling: Sampling, generator: torch.Generator | None) -> Tensor:
    """Draw one token per row from log-probabilities (b, V), reshaped as `sampling` says: (b,)."""
    ordered, tokens = log_probs.sort(dim=-1, descending=True, stable=True)  # (b, V) both
    # Only differences matter to softmax; with the largest at 0, and a temperature that is not 0 or infinite here,
    # nothing here can be 0/0.
    limits = torch.finfo(ordered.dtype)
    temperature = min(max(sampling.temperature, limits.tiny), limits.max)
    probs = ((ordered - ordered[:, :1]) / temperature).softmax(dim=-1)  # (b, V)
    if 0 < sampling.top_k < probs.shape[-1]:
        probs[:, sampling.top_k :] = 0.0
        probs = probs / probs.sum(dim=-1, keepdim=True)
    if sampling.top_p < 1:
        better = F.pad(probs.cumsum(dim=-1)[:, :-1], (1, 0))  # (b, V) probability of all better tokens
        probs = probs.masked_fill(better >= sampling.top_p, 0.0)
    rank = torch.multinomial(probs, 1, generator=generator)  # (b, 1)
    return tokens.gather(-1, rank)[:, 0]


@dataclass(frozen=True)
class Hypothesis:
    """One output of beam search."""

    ids: list[int]  # without start and end tokens
    score: float  # log_prob / length^alpha; length counts the end token
    log_prob: float  # log P(ids and the end token | source), or of the ids alone where max_new_tokens cut them


@dataclass
class Beams:
    """N hypotheses for each of b sources, best first. An empty slot has log-probability -inf."""

    tokens: Tensor  # (b, N, max_new_tokens) long
    log_prob: Tensor  # (b, N)
    score: Tensor  # (b, N)

    def take(self, index: Tensor) -> Beams:
        """The hypotheses `index` (b, M) of each source."""
        tokens = self.tokens.gather(1, index[:, :, None].expand(-1, -1, self.tokens.shape[-1]))  # (b, M, max)
        return Beams(tokens, self.log_prob.gather(1, index), self.score.gather(1, index))

    def of(self, sources: Tensor) -> Beams:
        """All hypotheses of the sources with these numbers."""
        return Beams(self.tokens[sources], self.log_prob[sources], self.score[sources])


@torch.inference_mode()
def beam_search(  # noqa: PLR0913 - one argument more than the house allows: each is a choice of its own
    model: Transformer | Ensemble,
    source: Tensor,
    source_mask: Tensor,
    special: SpecialIds,
    max_new_tokens: int,
    beam: int,
    length_penalty: float = 1.0,
    n_best: int = 1,
    early_stopping: bool = False,
) -> list[list[Hypothesis]]:
    """The `n_best` of `beam` hypotheses for each source, best first, scored log P / length^length_penalty.

    The rules are those of Hugging Face's `generate(num_beams, length_penalty, early_stopping)`: of the 2 K best
    extensions of K open hypotheses, those among the first K that end are finished, and the first K that do not end go
    on. At most K finished ones are kept. A source is done when it has K finished ones and, unless `early_stopping`, the
    best open one, scored as if it ended now, beats none of them (with a positive length penalty a heuristic: a much
    longer one still might). What is open after `max_new_tokens` competes as it stands: nothing forces an end token
    there, as BART's and Marian's `forced_eos_token_id` does. Shapes and errors as in `greedy`; fewer than `n_best` come
    back only where fewer outputs exist.
    """
    check_search(beam, length_penalty, n_best)
    state = start_decoding(model, source, source_mask, special, max_new_tokens, beam)  # of b * K rows
    places = torch.arange(len(source), device=source.device)  # (b,) the source of each open group of K rows
    opened, finished = start_beams(source, beam, special, max_new_tokens, state.memory.dtype)
    token = source.new_full((len(source) * beam,), special.decoder_start_id)  # (b*K,)
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]

    for step in range(max_new_tokens):
        candidates, parents = extend(opened, next_log_probs(state, token, step, max_new_tokens), step, length_penalty)
        ended = (candidates.tokens[:, :, step] == special.end_id) | (step == max_new_tokens - 1)  # (b, 2*K)
        finished = add_finished(finished, candidates, ended)
        opened, parents = keep_open(candidates, parents, ended)  # K of each source

        done = ~(opened.score[:, 0] > finished.score[:, -1])  # (b,)
        if early_stopping:
            done |= finished.score[:, -1] > -torch.inf
        for index in done.nonzero()[:, 0].tolist():
            refuse_nan(opened.score[index])
            results[int(places[index])] = read_hypotheses(finished, index, special.end_id)[:n_best]
        if done.all():
            break

        state.reorder(parents)
        if done.any():
            left = (~done).nonzero()[:, 0]
            opened, finished, places = opened.of(left), finished.of(left), places[left]
            state.keep(left)
        token = opened.tokens[:, :, step].flatten()
    return results


def check_search(beam: int, length_penalty: float, n_best: int) -> None:
    """Refuse an impossible beam search. Raises ValueError."""
    if beam < 1 or not 1 <= n_best <= beam:
        raise ValueError(f"beam={beam} and n_best={n_best}: both must be at least 1, and n_best at most beam")
    if not -STEEPEST <= length_penalty <= STEEPEST:
        raise ValueError(f"length_penalty={length_penalty} must be from -{STEEPEST} to {STEEPEST}")


def start_beams(
    source: Tensor, beam: int, special: SpecialIds, max_new_tokens: int, dtype: torch.dtype
) -> tuple[Beams, Beams]:
    """The open and the finished hypotheses before the first step: an empty prefix per source, and none."""
    tokens = source.new_full((len(source), beam, max_new_tokens), special.pad_id)  # (B, K, max_new_tokens)
    nothing = torch.full((len(source), beam), -torch.inf, dtype=dtype, device=source.device)  # (B, K)
    first = nothing.clone()
    first[:, 0] = 0.0  # the other K - 1 stay out, or all beams would be the same
    return Beams(tokens, first, first), Beams(tokens, nothing, nothing)


def extend(opened: Beams, log_probs: Tensor, step: int, length_penalty: float) -> tuple[Beams, Tensor]:
    """The 2 K best of all K * V one-token extensions of K open hypotheses, best first, and the beam each extends.

    log_probs (b*K, V) of the next token. Each hypothesis has one extension that ends, so at least K of 2 K go on.
    """
    n_sources, beam = opened.log_prob.shape
    vocab_size = log_probs.shape[-1]
    sums = opened.log_prob[:, :, None] + log_probs.view(n_sources, beam, vocab_size)  # (b, K, V)
    best, index = sums.flatten(1).topk(2 * beam)  # (b, 2*K) both
    parents, tokens = index // vocab_size, index % vocab_size  # (b, 2*K) both
    candidates = opened.take(parents)
    candidates.tokens[:, :, step] = tokens
    return Beams(candidates.tokens, best, best / float(step + 1) ** length_penalty), parents


def add_finished(finished: Beams, candidates: Beams, ended: Tensor) -> Beams:
    """The K best by score among the finished hypotheses and those of the first K candidates that `ended` (b, 2*K)."""
    beam = finished.score.shape[1]
    is_new = ended & (torch.arange(2 * beam, device=ended.device) < beam)  # (b, 2*K)
    merged = Beams(
        torch.cat([finished.tokens, candidates.tokens], dim=1),
        torch.cat([finished.log_prob, candidates.log_prob], dim=1),
        torch.cat([finished.score, candidates.score.masked_fill(~is_new, -torch.inf)], dim=1),
    )  # (b, 3*K)
    return merged.take(merged.score.topk(beam).indices)


def keep_open(candidates: Beams, parents: Tensor, ended: Tensor) -> tuple[Beams, Tensor]:
    """The K best candidates that did not end, best first, and their parents (b, K)."""
    log_prob = candidates.log_prob.masked_fill(ended, -torch.inf)  # (b, 2*K)
    score = candidates.score.masked_fill(ended, -torch.inf)  # (b, 2*K)
    best = log_prob.topk(log_prob.shape[1] // 2).indices  # (b, K)
    return Beams(candidates.tokens, log_prob, score).take(best), parents.gather(1, best)


def read_hypotheses(finished: Beams, index: int, end_id: int) -> list[Hypothesis]:
    """The finished hypotheses of one source as plain numbers, best first. Raises ValueError for NaN."""
    refuse_nan(finished.score[index])
    columns = (finished.tokens[index].tolist(), finished.score[index].tolist(), finished.log_prob[index].tolist())
    return [
        Hypothesis(before_end(ids, end_id), score, log_prob)
        for ids, score, log_prob in zip(*columns, strict=True)
        if score > -torch.inf
    ]
