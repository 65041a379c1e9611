"""Decoding at the ends of what its settings allow, of networks whose numbers are none, and under autocast."""

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from model.decoding import Sampling, SpecialIds, beam_search, greedy, sample


@pytest.mark.parametrize("length_penalty", [math.nan, math.inf, -math.inf, 2000, -2000, 10.5])
def test_a_length_penalty_that_leaves_no_scores_is_refused(tiny, example, special, length_penalty):
    with pytest.raises(ValueError, match=f"length_penalty={length_penalty} must be from -10 to 10"):
        beam_search(tiny("modern"), example.source, example.source_mask, special, 4, 2, length_penalty)


@pytest.mark.parametrize("length_penalty", [-10, 10])
def test_the_steepest_length_penalties_have_finite_scores(tiny, example, special, length_penalty):
    model = tiny("modern", max_length=300).float()
    for hypotheses in beam_search(model, example.source, example.source_mask, special, 200, 3, length_penalty, 3):
        assert len(hypotheses) == 3 and all(math.isfinite(one.score) and one.score < 0 for one in hypotheses)


@pytest.mark.parametrize("temperature", [1e30, 1e308])
def test_the_highest_temperatures_draw_evenly_and_never_what_is_forbidden(tiny, example, special, temperature):
    model, never = tiny("modern").float(), SpecialIds(0, 1, 3, (7, 8))
    source, mask = example.source[:1].expand(2000, -1), example.source_mask[:1].expand(2000, -1)
    outputs = sample(model, source, mask, never, 1, Sampling(temperature), torch.Generator().manual_seed(0))
    counts = Counter(output[0] for output in outputs if output)
    assert {*counts} == {*range(19)} - {1, 7, 8}
    assert all(abs(count - 2000 / 17) < 60 for count in counts.values())


# Numbers that are none


def nan_everywhere(model) -> None:
    model.decoder[0].feed_forward.outer.weight.fill_(math.nan)


def one_nan(model) -> None:
    model.output.weight[5, 2] = math.nan


def infinite(model) -> None:
    model.decoder[1].self_attention.value.weight.fill_(math.inf)


def too_large(model) -> None:
    """Finite weights whose products are not."""
    for layer in model.encoder:
        layer.feed_forward.inner.weight.fill_(1.7e308)


def nan_later(model) -> None:
    """A network that is sound until its own first token is read again."""
    model.embedding.weight[:3] = math.nan
    model.embedding.weight[4:] = math.nan


@pytest.mark.parametrize("speed", ["fast", "readable"])
@pytest.mark.parametrize("spoil", [nan_everywhere, one_nan, infinite, too_large, nan_later])
def test_a_network_whose_numbers_are_nan_decodes_nothing_and_says_why(tiny, example, special, spoil, speed):
    model = tiny("t5_v1_1", speed=speed)  # whose output is a matrix of its own
    with torch.no_grad():
        spoil(model)
    never = replace(special, never_ids=(1, 3))  # so that another token than the start is written and read
    inputs = torch.full((2, 4), 3), torch.ones(2, 4, dtype=torch.bool), never, 5
    ways = [greedy, sample, lambda *given: beam_search(*given, beam=2), lambda *given: beam_search(*given, 3, n_best=3)]
    for decode in ways:
        with pytest.raises(ValueError, match="probabilities are NaN.*earlier checkpoint") as refusal:
            decode(model, *inputs)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["modern", "bart", "t5"])
def test_under_autocast_a_fast_network_decodes_as_the_readable_one_does(tiny, example, special, name):
    """In bfloat16 two tokens may be equally probable; the steps and the cache are the readable network's."""
    models = [tiny(name, speed=speed).float() for speed in ("fast", "readable")]
    inputs = example.source, example.source_mask, special, 9
    outside = greedy(models[0], *inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast, readable = (greedy(model, *inputs) for model in models)
        assert sum(one == other for one, other in zip(fast, readable)) >= 3
        assert beam_search(models[0], *inputs, beam=2) and sample(models[0], *inputs)
    assert greedy(models[0], *inputs) == outside
