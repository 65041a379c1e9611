"""The formula counts what torch counts while the written-out network runs."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model.config import PRESETS
from model.fast import make_network
from model.two_streams import two_stream_states
from training.flops import encoder_flops, encoder_head_flops, forward_flops, training_flops, two_stream_flops

S, T = 7, 5
SIZES = {"vocab_size": 31, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 2, "n_decoder_layers": 3}


def make(name, **changes):
    config = replace(PRESETS[name], **SIZES, speed="readable", **changes)
    return config, make_network(config, pad_id=0)


def inputs():
    return torch.randint(1, 31, (1, S)), torch.ones(1, S, dtype=torch.bool), torch.randint(1, 31, (1, T))


def saved_by_causality(config):
    """The written-out form computes all T x T scores of the decoder's own attention; half of them count."""
    return config.n_decoder_layers * 2 * T * T * config.n_heads * config.d_k


@pytest.mark.parametrize("copy_head", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_the_formula_is_what_runs(name, copy_head):
    config, model = make(name, copy_head=copy_head)
    source, mask, target = inputs()
    with FlopCounterMode(display=False) as counter:
        model.target_log_probs(source, mask, target, target, torch.ones_like(target, dtype=torch.bool))
    assert counter.get_total_flops() == forward_flops(config, S, T) + saved_by_causality(config)


def test_heads_of_another_width_cost_their_own_products():
    config, model = make("t5_v1_1", d_kv=5)
    source, mask, target = inputs()
    with FlopCounterMode(display=False) as counter:
        model.target_log_probs(source, mask, target, target, torch.ones_like(target, dtype=torch.bool))
    assert counter.get_total_flops() == forward_flops(config, S, T) + saved_by_causality(config)


@pytest.mark.parametrize("copy_head", [False, True])
def test_the_backward_pass_costs_twice_the_forward_pass(copy_head):
    config, model = make("modern", copy_head=copy_head)
    source, mask, target = inputs()
    with FlopCounterMode(display=False) as counter:
        log_probs, _ = model.target_log_probs(source, mask, target, target, torch.ones_like(target, dtype=torch.bool))
        log_probs.sum().backward()
    counted = counter.get_total_flops() - 3 * saved_by_causality(config)
    assert counted == pytest.approx(training_flops(forward_flops(config, S, T)), rel=0.01)


def test_masked_language_modelling_costs_the_encoder_and_its_head():
    config, model = make("modern", mlm_head=True)
    source, mask, _ = inputs()
    with FlopCounterMode(display=False) as counter:
        states = model.encode(source, mask)
        model.mlm_head(states[0, :3], model.embedding.weight)
    assert counter.get_total_flops() == encoder_head_flops(config, S, 3, "mlm")


def test_tags_cost_the_encoder_and_their_head():
    config, model = make("modern", tag_head=True)
    source, mask, _ = inputs()
    with FlopCounterMode(display=False) as counter:
        model.tag_head(model.encode(source, mask)[0, :3])
    assert counter.get_total_flops() == encoder_head_flops(config, S, 3, "tag")


def test_a_match_costs_the_encoder_and_its_head():
    config, model = make("modern", match_head=True)
    source, mask, _ = inputs()
    with FlopCounterMode(display=False) as counter:
        model.match_head(model.encode(source, mask), model.embedding(source), source, mask)
    assert counter.get_total_flops() == encoder_head_flops(config, S, 1, "match")


def test_two_streams_cost_a_decoder_of_twice_the_length_of_whose_scores_a_quarter_counts():
    config, model = make("modern")
    source, mask, target = inputs()
    ranks = torch.tensor([[0, 2, 0, 1, 0]])
    with FlopCounterMode(display=False) as counter:
        memory = model.encode(source, mask)
        states = two_stream_states(model, target.repeat(1, 2), ranks, memory, mask)
        model.logits(states[ranks > 0])
    unneeded = config.n_decoder_layers * 4 * (4 - 1) * T * T * config.n_heads * config.d_k
    assert counter.get_total_flops() == two_stream_flops(config, S, T, 2) + unneeded
    assert two_stream_flops(config, S, T, 0) > encoder_flops(config, S)
