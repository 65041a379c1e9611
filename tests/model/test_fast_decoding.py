"""Fast decoding against the readable steps: the same log-probabilities, the same outputs, whatever leaves the batch."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model import fast_decoding
from model.config import PRESETS
from model.decoding import DecodingState, Sampling, SpecialIds, beam_search, greedy, sample
from model.fast import make_network
from model.fast_decoding import FastDecodingState
from model.transformer import Transformer

N_NEW = 9
WORST = {torch.float64: 1e-10, torch.float32: 1e-5}
SHARES = [0.0, 3 / 4, 1.0]  # finished sources stay for ever, for a while, not at all


@pytest.fixture
def sources() -> tuple[Tensor, Tensor]:
    """Seven sources of different lengths, one of them without a token."""
    generator = torch.Generator().manual_seed(3)
    mask = torch.arange(8) < torch.tensor([8, 5, 2, 1, 0, 7, 4])[:, None]
    return torch.randint(2, 19, (7, 8), generator=generator).masked_fill(~mask, 0), mask


def twins(model: Transformer, dtype: torch.dtype = torch.float64) -> list[Transformer]:
    """The same network twice: fast and readable."""
    made = []
    for speed in ("fast", "readable"):
        twin = make_network(replace(model.config, speed=speed), model.pad_id).to(dtype).eval()
        twin.load_state_dict(model.state_dict())
        made.append(twin)
    return made


def that_ends(model: Transformer, end_id: int) -> Transformer:
    """An end token that is likely now and then."""
    with torch.no_grad():
        model.output.weight[end_id] *= 2.5
    return model


# Step by step


def walk(fast: FastDecodingState, readable: DecodingState, n_sources: int, seed: int, worst: float) -> list[int]:
    """Any tokens, any parents, any sources that leave, the same on both sides; how many were open at each step."""
    generator = torch.Generator().manual_seed(seed)
    beam, n_open = fast.beam, []
    tokens = torch.full((n_sources * beam,), 3)
    for _ in range(N_NEW):
        n_open.append(n_sources)
        got, expected = fast.log_probs(tokens), readable.log_probs(tokens)
        assert got.shape == (n_sources * beam, 19) and got.dtype == expected.dtype
        assert_close(got, expected, rtol=worst, atol=worst)
        parents = torch.randint(beam, (n_sources, beam), generator=generator)
        fast.reorder(parents)
        readable.reorder(parents)
        stays = torch.rand(n_sources, generator=generator) < 0.8
        if not stays.all() and stays.any():
            fast.keep(stays.nonzero()[:, 0])
            readable.keep(stays.nonzero()[:, 0])
            n_sources = int(stays.sum())
        tokens = torch.randint(19, (n_sources * beam,), generator=generator)
    return n_open


@torch.inference_mode()
@pytest.mark.parametrize("share", SHARES)
def test_every_step_gives_the_log_probabilities_of_the_readable_one(model, sources, share, monkeypatch):
    monkeypatch.setattr(fast_decoding, "KEPT_WHILE", share)
    fast, readable = twins(model)
    for beam, never_ids in ((1, ()), (2, (7, 0)), (4, ())):
        both = (
            kind(twin, *sources, N_NEW, beam, never_ids)
            for kind, twin in ((FastDecodingState, fast), (DecodingState, readable))
        )
        n_open = walk(*both, 7, seed=beam, worst=WORST[torch.float64])
        assert 1 <= n_open[-1] < 4


@torch.inference_mode()
def test_every_step_in_float32(model, sources, laid_out):
    fast, readable = twins(model, torch.float32)
    for beam in (1, 4):
        for n in (7, 1):  # and one source alone
            few = [part[:n] for part in sources]
            both = (
                kind(twin, *few, N_NEW, beam, ())
                for kind, twin in ((FastDecodingState, fast), (DecodingState, readable))
            )
            walk(*both, n, seed=beam, worst=WORST[torch.float32])


@torch.inference_mode()
def test_one_row_alone_reads_matrices_that_stand_on_their_side(model, sources):
    fast, readable = twins(model)
    one = [part[:1] for part in sources]
    rows = FastDecodingState(fast, *one, N_NEW, 1, ())
    assert rows.weights.output.transposed is not None
    walk(rows, DecodingState(readable, *one, N_NEW, 1, ()), 1, seed=0, worst=WORST[torch.float64])
    assert FastDecodingState(fast, *one, N_NEW, 2, ()).weights.output.transposed is None


@torch.inference_mode()
def test_sources_without_padding_need_no_mask(model, sources):
    fast, readable = twins(model)
    whole = sources[0][[0, 0, 0]].roll(1, dims=0), torch.ones(3, 8, dtype=torch.bool)
    rows = FastDecodingState(fast, *whole, N_NEW, 4, ())
    assert rows.source_bias is None
    walk(rows, DecodingState(readable, *whole, N_NEW, 4, ()), 3, seed=1, worst=WORST[torch.float64])


# Whole outputs


def everything(model: Transformer, sources: tuple[Tensor, Tensor], special: SpecialIds, max_new_tokens: int = N_NEW):
    """Greedy, sampled and searched outputs with all that a draw leaves behind; the scores of the searched ones."""
    inputs = *sources, special, max_new_tokens
    generator = torch.Generator().manual_seed(0)
    sampled = sample(model, *inputs, Sampling(temperature=1.5, top_p=0.9), generator)
    outputs, scores = [sampled, generator.get_state().tolist(), greedy(model, *inputs)], []
    for beam, penalty, n_best, early in ((1, 1.0, 1, False), (4, 1.0, 1, False), (4, 0.0, 4, True), (3, 2.0, 2, False)):
        found = beam_search(model, *inputs, beam, penalty, n_best, early)
        outputs.append([[h.ids for h in hypotheses] for hypotheses in found])
        scores += [number for hypotheses in found for h in hypotheses for number in (h.score, h.log_prob)]
    return outputs, torch.tensor(scores)


@pytest.mark.parametrize("share", SHARES)
def test_all_outputs_are_those_of_the_readable_form(model, sources, special, share, monkeypatch):
    monkeypatch.setattr(fast_decoding, "KEPT_WHILE", share)
    (fast, scores), (readable, expected) = (
        everything(twin, sources, special) for twin in twins(that_ends(model, special.end_id))
    )
    assert fast == readable
    assert_close(scores, expected)
    assert len({len(output) for output in fast[0]}) > 1, "the sampled outputs should end at different steps"


def test_all_outputs_in_float32(model, sources, special, laid_out):
    (fast, scores), (readable, expected) = (
        everything(twin, sources, special) for twin in twins(that_ends(model, special.end_id), torch.float32)
    )
    assert fast == readable
    assert_close(scores, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_outputs_without_tokens_that_are_never_chosen(tiny, sources, special, name):
    model = that_ends(tiny(name, copy_head=True), special.end_id)
    outputs = greedy(model, *sources, special, N_NEW)
    ((often, _),) = Counter(token for output in outputs for token in output).most_common(1)
    never = replace(special, never_ids=(often, 0))
    (fast, scores), (readable, expected) = (everything(twin, sources, never) for twin in twins(model))
    assert fast == readable and often not in {token for output in fast[0] + fast[2] for token in output}
    assert_close(scores, expected)


@pytest.mark.parametrize("max_new_tokens", [1, 2])
def test_outputs_of_one_token_or_two(model, sources, special, max_new_tokens):
    (fast, scores), (readable, expected) = (everything(twin, sources, special, max_new_tokens) for twin in twins(model))
    assert fast == readable
    assert_close(scores, expected)


def test_one_source_alone_and_no_source_at_all(model, sources, special):
    for dtype in (torch.float64, torch.float32):
        fast, readable = twins(that_ends(model, special.end_id), dtype)
        for n in (1, 0):
            few = tuple(part[:n] for part in sources)
            assert everything(fast, few, special)[0] == everything(readable, few, special)[0]


def test_finished_sources_stay_until_a_quarter_has_finished(tiny, sources, special, monkeypatch):
    """What leaves at once, and what is decoded on because moving the others would cost more."""
    held: list[tuple[int, int]] = []  # sources still open and sources held, after each departure
    keep = FastDecodingState.keep

    def spy(rows: FastDecodingState, stay: Tensor) -> None:
        keep(rows, stay)
        assert all(len(cache.keys) == len(rows.source) == len(rows.memory) for cache in rows.caches)
        held.append((len(stay), len(rows.source)))

    monkeypatch.setattr(FastDecodingState, "keep", spy)
    model = that_ends(tiny("t5_v1_1"), special.end_id)
    sample(model, *(part.repeat(6, 1) for part in sources), special, N_NEW, generator=torch.Generator().manual_seed(0))
    assert all(n_open == n_held or 3 / 4 * n_held < n_open < n_held for n_open, n_held in held)
    assert any(n_open < n_held for n_open, n_held in held), "some should be kept for a while"
    assert len({n_held for _, n_held in held}) > 2, "some should leave"


def refusal(decode: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as error:
        decode()
    return str(error.value)


def test_an_output_longer_than_the_learned_positions_is_refused_in_the_same_words(tiny, sources, special):
    for beam in (0, 1, 4):
        said = []
        for model in twins(tiny("bart", max_length=8)):
            inputs = model, *sources, special, N_NEW
            said.append(refusal(lambda: beam_search(*inputs, beam) if beam else greedy(*inputs)))  # noqa: B023
        assert said[0] == said[1] == "position 8 does not exist: model.max_length=8"


def test_an_output_that_ends_within_the_learned_positions_may_be_allowed_to_be_longer(tiny, sources, special):
    model = tiny("bart", max_length=8, logits_bias=True)
    model.logits_bias[special.end_id] = 9.0
    (fast, _), (readable, _) = (everything(twin, sources, special, 30) for twin in twins(model))
    assert fast == readable and max(map(len, fast[2])) < 8
