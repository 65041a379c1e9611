"""Decoding against exhaustive search, the model's own probabilities, Hugging Face's search, and a hand-made chain."""

import itertools
import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from model.decoding import Sampling, SpecialIds, beam_search, greedy, sample

END, START = 1, 3
N_NEW = 9


class Chain:
    """A stand-in for the network whose next token depends on the newest one alone: P(y_t | y_{t-1}) is a table."""

    training = False

    def __init__(self, table: dict[int, dict[int, float]], vocab_size: int = 8) -> None:
        self.log_table = torch.full((vocab_size, vocab_size), -torch.inf, dtype=torch.float64)
        for before, following in table.items():
            for after, probability in following.items():
                self.log_table[before, after] = math.log(probability)
        self.rows_of_each_step: list[int] = []

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        return source[..., None].double()

    def start_cache(self, memory: Tensor, source_mask: Tensor, max_length: int) -> SimpleNamespace:
        return SimpleNamespace(reorder=lambda rows, same_sources=False: None)

    def decode(self, token: Tensor, memory: Tensor, source_mask: Tensor, cache: SimpleNamespace) -> Tensor:
        self.rows_of_each_step.append(len(token))
        return token

    def logits(self, states: Tensor) -> Tensor:
        return self.log_table[states]

    def log_probs(self, logits: Tensor, *_: Tensor) -> Tensor:
        return logits


def rows(n: int) -> tuple[Tensor, Tensor]:
    return torch.full((n, 2), 5), torch.ones(n, 2, dtype=torch.bool)


def sequence_log_prob(model, source: Tensor, special: SpecialIds, ids: list[int], max_new_tokens: int) -> float:
    """Log-probability of one output by equation (3), teacher forced; an output that was not cut ends with the end."""
    target = torch.tensor([ids if len(ids) == max_new_tokens else [*ids, special.end_id]])
    decoder_input = F.pad(target[:, :-1], (1, 0), value=special.decoder_start_id)
    log_probs = model(source[None], torch.ones(1, len(source), dtype=torch.bool), decoder_input)
    return log_probs.gather(-1, target[..., None]).sum().item()


# Greedy


def test_greedy_takes_the_most_probable_token_of_the_whole_forward_pass(model, example, special):
    outputs = greedy(model, example.source, example.source_mask, special, N_NEW)
    for source, output in zip(example.real_sources, outputs):
        prefix = [special.decoder_start_id]
        while len(prefix) <= N_NEW:
            log_probs = model(source[None], torch.ones(1, len(source), dtype=torch.bool), torch.tensor([prefix]))
            prefix.append(int(log_probs[0, -1].argmax()))
            if prefix[-1] == special.end_id:
                break
        assert output == [token for token in prefix[1:] if token != special.end_id]


def test_finished_rows_leave_the_batch_and_outputs_keep_the_order_of_the_inputs(tiny, example, special):
    model = tiny("t5_v1_1", copy_head=True)  # copying reads source and memory in every step
    with torch.no_grad():
        model.output.weight[special.end_id] *= 3
    outputs = greedy(model, example.source, example.source_mask, special, N_NEW)
    assert len(Counter(map(len, outputs))) > 1, "the example should end at different steps"
    for row, output in enumerate(outputs):
        alone = greedy(model, example.source[row : row + 1], example.source_mask[row : row + 1], special, N_NEW)
        assert alone == [output]


def test_decoding_stops_with_the_last_open_row(special):
    chain = Chain({START: {4: 0.6, END: 0.4}, 4: {5: 1.0}, 5: {END: 1.0}})
    assert greedy(chain, *rows(3), special, 100) == [[4, 5]] * 3
    assert chain.rows_of_each_step == [3, 3, 3]


def test_rows_leave_one_after_the_other(special):
    chain = Chain({START: {4: 0.5, END: 0.5}, 4: {4: 0.5, END: 0.5}})
    outputs = sample(chain, *rows(64), special, 30, generator=torch.Generator().manual_seed(0))
    still_open = [sum(len(output) >= step for output in outputs) for step in range(len(chain.rows_of_each_step))]
    assert chain.rows_of_each_step == still_open
    assert still_open[-1] < 4


def test_an_output_is_cut_after_max_new_tokens(special):
    chain = Chain({START: {4: 1.0}, 4: {4: 1.0}})
    assert greedy(chain, *rows(2), special, 5) == [[4] * 5] * 2
    assert [h.ids for h in beam_search(chain, *rows(1), special, 5, beam=2)[0]] == [[4] * 5]


def test_no_sources_give_no_outputs(tiny, special):
    model, nothing = tiny("modern"), (torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, 3, dtype=torch.bool))
    assert greedy(model, *nothing, special, 4) == []
    assert beam_search(model, *nothing, special, 4, beam=2) == []


# Beam search


def test_beam_one_is_greedy(model, example, special):
    outputs = greedy(model, example.source, example.source_mask, special, N_NEW)
    for length_penalty in (0.0, 1.0, 2.0):
        hypotheses = beam_search(model, example.source, example.source_mask, special, N_NEW, 1, length_penalty)
        assert [[h.ids for h in of_source] for of_source in hypotheses] == [[output] for output in outputs]


def test_a_beams_score_is_the_models_log_probability_of_that_sequence(model, example, special):
    results = beam_search(model, example.source, example.source_mask, special, N_NEW, 4, 0.7, n_best=4)
    for source, hypotheses in zip(example.real_sources, results):
        assert len(hypotheses) == 4
        for h in hypotheses:
            assert h.log_prob == pytest.approx(sequence_log_prob(model, source, special, h.ids, N_NEW))
            length = min(len(h.ids) + 1, N_NEW)
            assert h.score == pytest.approx(h.log_prob / length**0.7)


def test_the_n_best_are_distinct_and_sorted(model, example, special):
    results = beam_search(model, example.source, example.source_mask, special, N_NEW, 5, n_best=5)
    for hypotheses in results:
        assert len({tuple(h.ids) for h in hypotheses}) == 5
        scores = [h.score for h in hypotheses]
        assert scores == sorted(scores, reverse=True)
    fewer = beam_search(model, example.source, example.source_mask, special, N_NEW, 5, n_best=2)
    assert [[h.ids for h in hypotheses] for hypotheses in fewer] == [[h.ids for h in r[:2]] for r in results]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 3.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(tiny, special, length_penalty):
    model = tiny("modern", vocab_size=5)
    source = torch.tensor([2, 4, 4])
    outputs = [ids for n in range(4) for ids in itertools.product((0, 2, 3, 4), repeat=n)]
    scored = []
    for ids in outputs:
        log_prob = sequence_log_prob(model, source, special, list(ids), 3)
        scored.append((log_prob / min(len(ids) + 1, 3) ** length_penalty, list(ids)))
    scored.sort(reverse=True)
    mask = torch.ones(1, 3, dtype=torch.bool)
    (hypotheses,) = beam_search(model, source[None], mask, special, 3, 100, length_penalty, n_best=100)
    assert [h.ids for h in hypotheses] == [ids for _, ids in scored]
    assert_close([h.score for h in hypotheses], [score for score, _ in scored])


def test_beam_search_finds_what_greedy_misses(special):
    # Greedy goes to 4 (0.6), whose best end costs 0.5: 0.30. The better output goes through 5: 0.4 * 0.9 = 0.36.
    chain = Chain({START: {4: 0.6, 5: 0.4}, 4: {END: 0.5, 6: 0.5}, 5: {END: 0.9, 6: 0.1}, 6: {END: 1.0}})
    assert greedy(chain, *rows(1), special, 5) == [[4]]
    best, second = beam_search(chain, *rows(1), special, 5, beam=2, length_penalty=0.0, n_best=2)[0]
    assert (best.ids, second.ids) == ([5], [4])
    assert math.exp(best.log_prob) == pytest.approx(0.36)


def test_the_length_penalty_decides_between_short_and_long(special):
    # [] has probability 0.4 in one token; [4, 4, 4] has 0.6 * 0.5 in four: 0.3 < 0.4, but 0.3^(1/4) > 0.4.
    chain = Chain({START: {END: 0.4, 4: 0.6}, 4: {5: 1.0}, 5: {6: 0.5, 7: 0.5}, 6: {END: 1.0}, 7: {END: 1.0}})

    def best(length_penalty: float) -> list[int]:
        return beam_search(chain, *rows(1), special, 10, 4, length_penalty)[0][0].ids

    assert best(0.0) == []
    assert best(1.0) in ([4, 5, 6], [4, 5, 7])


def test_a_source_is_done_when_no_open_beam_beats_its_finished_ones(special):
    chain = Chain({START: {END: 0.9, 4: 0.1}, 4: {END: 0.9, 4: 0.1}})
    (hypotheses,) = beam_search(chain, *rows(1), special, 50, beam=2, length_penalty=0.0, n_best=2)
    assert [h.ids for h in hypotheses] == [[], [4]]
    assert chain.rows_of_each_step == [2, 2]


def test_sources_that_are_done_leave_the_beam_search(tiny, example, special):
    model = tiny("t5_v1_1", copy_head=True)  # copying reads source and memory in every step
    with torch.no_grad():
        model.output.weight[special.end_id] *= 3
    together = beam_search(model, example.source, example.source_mask, special, N_NEW, 3, n_best=3)
    for row, hypotheses in enumerate(together):
        (alone,) = beam_search(
            model, example.source[row : row + 1], example.source_mask[row : row + 1], special, N_NEW, 3, n_best=3
        )
        assert [h.ids for h in alone] == [h.ids for h in hypotheses]
        assert_close([h.score for h in alone], [h.score for h in hypotheses])


class HuggingFaceModel:
    """A T5 of Hugging Face behind our network's interface; it computes every step from the whole prefix."""

    training = False

    def __init__(self, t5) -> None:
        self.t5 = t5

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        return self.t5.encoder(input_ids=source, attention_mask=source_mask).last_hidden_state

    def start_cache(self, memory: Tensor, source_mask: Tensor, max_length: int) -> SimpleNamespace:
        cache = SimpleNamespace(prefixes=torch.zeros(len(memory), 0, dtype=torch.long))

        def reorder(rows: Tensor, same_sources: bool = False) -> None:
            cache.prefixes = cache.prefixes[rows]

        cache.reorder = reorder
        return cache

    def decode(self, token: Tensor, memory: Tensor, source_mask: Tensor, cache: SimpleNamespace) -> Tensor:
        cache.prefixes = torch.cat([cache.prefixes, token], dim=1)
        output = self.t5(encoder_outputs=(memory,), attention_mask=source_mask, decoder_input_ids=cache.prefixes)
        return output.logits[:, -1:]

    def logits(self, states: Tensor) -> Tensor:
        return states

    def log_probs(self, logits: Tensor, *_: Tensor) -> Tensor:
        return logits.log_softmax(dim=-1)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
def test_beam_search_agrees_with_hugging_face(example, length_penalty):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=19, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2, dropout_rate=0.0,
        pad_token_id=0, eos_token_id=END, decoder_start_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    t5 = transformers.T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in t5.parameters():  # sharp distributions, whose outputs end at different steps
            parameter += 0.4 * torch.randn_like(parameter)
        t5.lm_head.weight[END] *= 3
    expected = t5.generate(
        example.source, attention_mask=example.source_mask.long(), num_beams=4, num_return_sequences=4,
        max_new_tokens=N_NEW, length_penalty=length_penalty, early_stopping=False, do_sample=False,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    special = SpecialIds(pad_id=0, end_id=END, decoder_start_id=0)
    ours = beam_search(
        HuggingFaceModel(t5), example.source, example.source_mask, special, N_NEW, 4, length_penalty, n_best=4
    )
    flat = [h for hypotheses in ours for h in hypotheses]
    theirs = [ids[1:] for ids in expected.sequences.tolist()]
    theirs = [ids[: ids.index(END)] if END in ids else ids[:N_NEW] for ids in theirs]
    assert len(set(map(len, theirs))) > 1, "the example should end at different steps"
    assert [h.ids for h in flat] == theirs
    assert_close(torch.tensor([h.score for h in flat]), expected.sequences_scores, atol=1e-4, rtol=1e-4)


def test_tokens_that_are_never_chosen_are_in_no_output(special):
    never = SpecialIds(special.pad_id, special.end_id, special.decoder_start_id, never_ids=(4, 6))
    chain = Chain({START: {4: 0.9, 5: 0.1}, 5: {6: 0.6, 7: 0.4}, 7: {END: 1.0}})
    assert greedy(chain, *rows(1), special, 5)[0][0] == 4
    assert greedy(chain, *rows(1), never, 5) == [[5, 7]]
    (hypotheses,) = beam_search(chain, *rows(1), never, 5, beam=2, length_penalty=0.0)
    assert hypotheses[0].ids == [5, 7]
    assert math.exp(hypotheses[0].log_prob) == pytest.approx(0.1 * 0.4)  # what is forbidden keeps its share
    assert sample(chain, *rows(20), never, 5, generator=torch.Generator().manual_seed(0)) == [[5, 7]] * 20


def test_early_stopping_ends_a_search_with_its_first_full_beam(special):
    chain = Chain({START: {END: 0.4, 4: 0.6}, 4: {END: 0.4, 5: 0.6}, 5: {END: 1.0}})
    late, early = (
        beam_search(chain, *rows(1), special, 10, 2, length_penalty=2.0, early_stopping=stop)[0][0].ids
        for stop in (False, True)
    )
    assert (late, early) == ([4, 5], [4])


# Sampling

FOUR = {4: 0.5, 5: 0.3, 6: 0.15, 7: 0.05}


def draw(sampling: Sampling, n: int = 20_000, seed: int = 0, following: dict[int, float] = FOUR) -> Counter:
    chain, generator = Chain({START: following}), torch.Generator().manual_seed(seed)
    outputs = sample(chain, *rows(n), SpecialIds(0, END, START), 1, sampling, generator)
    return Counter(token for (token,) in outputs)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_approach_the_softmax_at_that_temperature(temperature):
    counts = draw(Sampling(temperature=temperature))
    powers = {token: p ** (1 / temperature) for token, p in FOUR.items()}
    for token, power in powers.items():
        expected = power / sum(powers.values())
        deviation = math.sqrt(expected * (1 - expected) / 20_000)
        assert abs(counts[token] / 20_000 - expected) < 4 * deviation


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(top_k=1), {4}),
        (Sampling(top_k=3), {4, 5, 6}),
        (Sampling(top_k=100), {4, 5, 6, 7}),
        (Sampling(top_p=1e-9), {4}),
        (Sampling(top_p=0.49), {4}),
        (Sampling(top_p=0.51), {4, 5}),
        (Sampling(top_p=0.79), {4, 5}),
        (Sampling(top_p=0.81), {4, 5, 6}),
        (Sampling(top_k=2, top_p=0.6), {4}),  # of the two, 4 has 0.5 / 0.8 = 0.625
        (Sampling(top_k=2, top_p=0.63), {4, 5}),
        (Sampling(temperature=0.5, top_p=0.68), {4}),  # 0.25 / 0.365 = 0.685
    ],
)
def test_tokens_outside_the_nucleus_are_never_drawn(sampling, kept):
    counts = draw(sampling)
    assert set(counts) == kept
    powers = {token: FOUR[token] ** (1 / sampling.temperature) for token in kept}
    for token, power in powers.items():
        assert counts[token] / 20_000 == pytest.approx(power / sum(powers.values()), abs=0.015)


def test_temperature_towards_zero_is_greedy(model, example, special):
    outputs = greedy(model, example.source, example.source_mask, special, N_NEW)
    for temperature in (1e-4, 1e-300):
        cold = sample(model, example.source, example.source_mask, special, N_NEW, Sampling(temperature=temperature))
        assert cold == outputs
    model, single = model.float(), greedy(model.float(), example.source, example.source_mask, special, N_NEW)
    assert sample(model, example.source, example.source_mask, special, N_NEW, Sampling(temperature=1e-300)) == single


def test_a_seed_repeats_the_draw_and_another_seed_does_not():
    flat = dict.fromkeys(FOUR, 1 / 4)
    assert draw(Sampling(), 50, seed=1, following=flat) == draw(Sampling(), 50, seed=1, following=flat)
    assert draw(Sampling(), 50, seed=1, following=flat) != draw(Sampling(), 50, seed=2, following=flat)


def test_several_samples_of_a_source_are_its_repeated_rows(tiny, example, special):
    model = tiny("modern")
    repeated = example.source.repeat_interleave(5, dim=0), example.source_mask.repeat_interleave(5, dim=0)
    outputs = sample(model, *repeated, special, N_NEW, generator=torch.Generator().manual_seed(0))
    assert len(outputs) == 20
    assert len(set(map(tuple, outputs[:5]))) > 1


def test_samples_of_the_network_follow_its_probabilities(tiny, example, special):
    """The probability of whole outputs of two tokens, through the cache, with rows that leave the batch."""
    model = tiny("modern", vocab_size=5)
    source, mask = torch.tensor([[2, 4, 4]]), torch.ones(1, 3, dtype=torch.bool)
    n = 20_000
    outputs = sample(model, source.expand(n, 3), mask.expand(n, 3), special, 2, Sampling(temperature=1.0),
                     torch.Generator().manual_seed(0))  # fmt: skip
    counts = Counter(map(tuple, outputs))
    total = 0.0
    for ids in [(), *((a,) for a in (0, 2, 3, 4)), *itertools.product((0, 2, 3, 4), repeat=2)]:
        expected = math.exp(sequence_log_prob(model, source[0], special, list(ids), 2))
        deviation = math.sqrt(expected * (1 - expected) / n)
        assert abs(counts[ids] / n - expected) < 4.5 * deviation
        total += expected
    assert total == pytest.approx(1.0)


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0 must be above 0; use greedy"),
        ({"temperature": math.nan}, "temperature=nan must be above 0"),
        ({"temperature": math.inf}, "temperature=inf must be a finite number"),
        ({"temperature": -math.inf}, "temperature=-inf must be above 0"),
        ({"top_k": -1}, "top_k=-1 must be at least 0"),
        ({"top_k": 2.5}, "top_k=2.5 must be at least 0, a whole number"),
        ({"top_p": math.nan}, "top_p=nan must be above 0 and at most 1"),
        ({"top_p": 0.0}, "top_p=0.0 must be above 0 and at most 1"),
        ({"top_p": 1.5}, "top_p=1.5 must be above 0 and at most 1"),
    ],
)
def test_impossible_sampling_is_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as refusal:
        Sampling(**settings)
    assert "\n" not in str(refusal.value)


def test_impossible_searches_are_refused_in_one_line(tiny, example, special):
    model = tiny("modern")
    inputs = (example.source, example.source_mask, special)
    for beam, n_best in ((0, 1), (2, 3), (2, 0)):
        with pytest.raises(ValueError, match=f"beam={beam} and n_best={n_best}"):
            beam_search(model, *inputs, 4, beam=beam, n_best=n_best)
    with pytest.raises(ValueError, match="max_new_tokens=0 must be at least 1"):
        greedy(model, *inputs, 0)
    model.train()
    with pytest.raises(ValueError, match="training mode"):
        greedy(model, *inputs, 4)
