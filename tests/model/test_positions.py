"""Each way of telling order, against the formula of its paper."""

import math

import pytest
import torch
from torch.testing import assert_close

from model.config import ModelConfig
from model.positions import (
    Positions,
    T5RelativeBias,
    alibi_bias,
    alibi_slopes,
    rotate,
    rotation,
    sinusoidal_positions,
    t5_bucket,
)


def test_sinusoids_are_the_formula_of_vaswani_et_al():
    table = sinusoidal_positions(torch.arange(1000), 16)
    for position in (0, 1, 2, 57, 999):
        for i in range(8):
            angle = position / 10000 ** (2 * i / 16)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_marians_layout_is_the_same_sinusoids_with_all_sines_first():
    table = sinusoidal_positions(torch.arange(1000), 16)
    halves = sinusoidal_positions(torch.arange(1000), 16, "halves")
    assert_close(halves, torch.cat((table[:, 0::2], table[:, 1::2]), dim=1))
    config = ModelConfig(positions="sinusoidal", sinusoid_layout="halves", d_model=16, n_heads=2)
    assert_close(Positions(config, bidirectional=True).embed(torch.arange(5)), halves[:5])


def test_an_offset_leaves_the_first_rows_of_a_learned_table_out():
    config = ModelConfig(positions="learned", position_offset=2, max_length=6, d_model=4, n_heads=2)
    positions = Positions(config, bidirectional=True)
    assert positions.learned.weight.shape == (8, 4)
    assert_close(positions.embed(torch.arange(6)), positions.learned.weight[2:])
    with pytest.raises(ValueError, match="position 6 does not exist: model.max_length=6"):
        positions.embed(torch.arange(7))


def test_rotation_turns_each_pair_by_its_angle():
    x = torch.tensor([[1.0, 0.0, 0.0, 2.0]], dtype=torch.float64)  # pairs (1, 0) and (0, 2)
    turned = rotate(x, rotation(torch.tensor([5]), 4))
    expected = [math.cos(5), -2 * math.sin(0.05), math.sin(5), 2 * math.cos(0.05)]  # frequencies 1 and 10000^(-1/2)
    assert_close(turned, torch.tensor([expected], dtype=torch.float64))


def test_every_position_of_every_head_is_turned_by_itself():
    x, positions = torch.randn(2, 3, 5, 8, dtype=torch.float64), torch.arange(5)
    turned = rotate(x, rotation(positions, 8))
    for t in range(5):
        assert_close(turned[1, 2, t], rotate(x[1, 2, t][None], rotation(positions[t : t + 1], 8))[0])


def test_a_rotary_score_depends_on_the_distance_alone():
    query, key = torch.randn(2, 8, dtype=torch.float64)

    def score(query_position: int, key_position: int) -> torch.Tensor:
        turned = [
            rotate(x[None], rotation(torch.tensor([position]), 8))[0]
            for x, position in ((query, query_position), (key, key_position))
        ]
        return turned[0] @ turned[1]

    assert_close(score(9, 4), score(905, 900))
    assert_close(score(0, 0), query @ key)
    assert not torch.isclose(score(9, 4), score(9, 5))
    assert not torch.isclose(score(4, 9), score(9, 4))


def test_t5_buckets_of_the_published_sizes():
    """Raffel et al. 2020, 2.1: exact up to a distance, logarithmic up to 128, one bucket for all beyond."""
    bucket = t5_bucket(torch.tensor([0, -1, -15, -16, -127, -128, -5000, 3]), False, 32, 128).tolist()
    assert bucket == [0, 1, 15, 16, 31, 31, 31, 0]
    bucket = t5_bucket(torch.tensor([0, -1, -7, -8, 1, 7, 8, -5000, 5000]), True, 32, 128).tolist()
    assert bucket == [0, 1, 7, 8, 17, 23, 24, 15, 31]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (8, 20), (64, 1000)])
def test_t5_buckets_are_those_of_hugging_face(bidirectional, n_buckets, max_distance):
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5", reason="transformers is not installed")
    distance = torch.arange(-1100, 1101)
    expected = t5.T5Attention._relative_position_bucket(distance, bidirectional, n_buckets, max_distance)
    assert t5_bucket(distance, bidirectional, n_buckets, max_distance).equal(expected)


def test_t5_bias_has_one_number_per_bucket_and_head_shared_by_equal_distances():
    bias = T5RelativeBias(ModelConfig(n_heads=4), bidirectional=True)(torch.arange(6), torch.arange(9))
    assert bias.shape == (1, 4, 6, 9)
    assert bias[..., 1:, 1:].equal(bias[..., :-1, :-1])
    assert not bias[:, 0].equal(bias[:, 1])


def test_alibi_slopes_are_those_of_the_paper():
    """Press et al. 2022, section 3: for 8 heads 1/2, 1/4, .., 1/256; for 16 also the geometric means between them."""
    assert_close(alibi_slopes(8), torch.tensor([2.0**-i for i in range(1, 9)]))
    assert_close(alibi_slopes(16)[:4], torch.tensor([2**-0.5, 2**-1, 2**-1.5, 2**-2]))


def test_alibi_subtracts_slope_times_distance():
    bias = alibi_bias(2, torch.tensor([3]), torch.arange(5))
    slopes = [1 / 16, 1 / 256]
    assert_close(bias[0, :, 0], torch.tensor([[-s * d for d in (3, 2, 1, 0, 1)] for s in slopes]))


@pytest.mark.parametrize("kind", ["sinusoidal", "learned", "t5_relative", "rotary", "alibi", "none"])
def test_a_window_of_positions_is_cut_out_of_the_whole(kind):
    """Decoding asks for one new position at a time."""
    positions = Positions(ModelConfig(positions=kind, d_model=16, n_heads=2, max_length=10), bidirectional=False)
    everything, last = torch.arange(7), torch.tensor([6])
    whole, window = positions.embed(everything), positions.embed(last)
    assert (window is None) == (kind not in ("sinusoidal", "learned"))
    if window is not None:
        assert window.equal(whole[6:])
    order, order_of_last = positions.order(everything, everything), positions.order(last, everything)
    assert (order.rotary is not None) == (kind == "rotary")
    assert (order.bias is not None) == (kind in ("t5_relative", "alibi"))
    if order.rotary is not None:
        assert order_of_last.rotary[0].equal(order.rotary[0][6:]) and order_of_last.rotary[1].equal(order.rotary[1][6:])
    if order.bias is not None:
        assert order_of_last.bias.equal(order.bias[:, :, 6:])


def test_a_position_beyond_the_learned_table_is_refused_by_name():
    positions = Positions(ModelConfig(positions="learned", d_model=16, n_heads=2, max_length=10), bidirectional=True)
    assert positions.embed(torch.arange(10)).shape == (10, 16)
    with pytest.raises(ValueError, match="position 10 does not exist: model.max_length=10"):
        positions.embed(torch.arange(11))
