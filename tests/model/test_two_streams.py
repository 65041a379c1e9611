"""A token is predicted from those of lower rank, and from nothing else (Yang et al. 2019, 2.3)."""

import pytest
import torch

from model.config import preset
from model.fast import make_network
from model.two_streams import two_stream_mask, two_stream_states

MASK, START = 3, 2
RANKS = torch.tensor([[0, 3, 0, 1, 2, 4]])
SIZES = {"vocab_size": 40, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 1, "n_decoder_layers": 2}


def model_of(**changes):
    torch.manual_seed(0)
    return make_network(preset("modern", **{**SIZES, "dropout": 0.0, **changes}), pad_id=0).eval()


def states(model, target, ranks):
    """States of the query stream for a target (B, T)."""
    shifted = torch.cat((torch.full_like(target[:, :1], START), target[:, :-1]), dim=1)
    decoder_input = torch.cat((shifted, torch.full_like(target, MASK)), dim=1)
    source = torch.tensor([[5, 6, 1]]).expand(len(target), -1)
    mask = torch.ones_like(source, dtype=torch.bool)
    with torch.no_grad():
        return two_stream_states(model, decoder_input, ranks, model.encode(source, mask), mask)


@pytest.mark.parametrize("padding", [-100, -1])
def test_the_mask_says_who_comes_before_whom(padding):
    ranks = [*RANKS[0].tolist(), padding]
    order = [rank if rank >= 0 else 99 for rank in ranks]
    T = len(order)
    mask = two_stream_mask(torch.tensor([ranks]))[0]
    read = [0, *order[:5], 99]  # the rank of what is read at each position: first the start token, the end never
    for row in range(2 * T):
        for column in range(2 * T):
            if column >= T:
                allowed = False  # nobody sees a query
            elif row < T:
                allowed = read[column] <= read[row]
            else:
                allowed = read[column] < order[row - T]
            assert bool(mask[row, column]) == allowed, (row, column)


@pytest.mark.parametrize("speed", ["fast", "readable"])
@pytest.mark.parametrize("positions", ["rotary", "sinusoidal", "learned", "t5_relative", "alibi"])
def test_a_token_changes_the_predictions_of_higher_rank_alone(positions, speed):
    model = model_of(positions=positions, speed=speed)
    target = torch.tensor([[10, 11, 12, 13, 14, 1]])
    before = states(model, target, RANKS)
    for place in range(5):
        changed = target.clone()
        changed[0, place] = 25
        moved = (states(model, changed, RANKS) - before).abs().amax(dim=-1)[0] > 1e-6
        for query in range(6):
            if RANKS[0, query] > 0:  # states of given tokens are not used
                assert bool(moved[query]) == bool(RANKS[0, place] < RANKS[0, query]), (place, query)


def test_the_end_token_is_never_read():
    model, target = model_of(), torch.tensor([[10, 11, 12, 13, 14, 1]])
    changed = target.clone()
    changed[0, -1] = 30
    assert torch.equal(states(model, changed, RANKS), states(model, target, RANKS))


def test_padding_changes_nothing():
    model, target = model_of(), torch.tensor([[10, 11, 12, 13, 14, 1]])
    padded = torch.cat((target, torch.zeros(1, 3, dtype=torch.long)), dim=1)
    ranks = torch.cat((RANKS, torch.full((1, 3), -100)), dim=1)
    predicted = RANKS[0] > 0
    ours, theirs = states(model, padded, ranks)[0, :6][predicted], states(model, target, RANKS)[0][predicted]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_query_knows_its_place():
    model = model_of()
    target, ranks = torch.tensor([[10, 10, 10, 10, 10, 1]]), torch.tensor([[1, 0, 0, 2, 0, 0]])
    found = states(model, target, ranks)[0]
    assert not torch.allclose(found[0], found[3], atol=1e-4)


def test_without_the_contents_of_higher_rank_the_states_are_the_same():
    """The contents that a query may not see can be cut away altogether."""
    model, target = model_of(), torch.tensor([[10, 11, 12, 13, 14, 1]])
    ranks = torch.tensor([[0, 0, 0, 1, 2, 3]])  # left to right: a query at i needs the first i tokens alone
    whole = states(model, target, ranks)[0]
    for place in (3, 4, 5):
        part = states(model, target[:, : place + 1], ranks[:, : place + 1])[0]
        torch.testing.assert_close(part[place], whole[place], rtol=1e-5, atol=1e-6)
