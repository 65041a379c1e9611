"""Fast dropout: the right rate and scale, one mask for values and gradients, chances that know nothing of each other.

All draws are seeded, so a bound in standard deviations holds always or never; 4.5 of them are passed by chance once in
150,000 times.
"""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from model.config import preset
from model.dropout import LEVELS, DropoutFromBits, FastDropout, keep_mask
from model.fast import make_network

BOUND = 4.5  # standard deviations
RATES = [0.1, 0.15, 0.5, 0.9, 0.001, 2e-5]


def masks(shape: tuple[int, ...], rate: float, seed: int = 0) -> Tensor:
    """What is kept, as zeros and ones in float64."""
    torch.manual_seed(seed)
    return keep_mask(torch.Size(shape), round(rate * LEVELS)).double()


def correlations(rows: Tensor) -> Tensor:
    """Correlation of each two of the rows (m, n), in standard deviations of independent ones: m (m - 1) / 2 numbers."""
    pairs = torch.triu_indices(len(rows), len(rows), offset=1)
    return torch.corrcoef(rows)[pairs[0], pairs[1]] * math.sqrt(rows.shape[1])


def runs(bits: Tensor) -> float:
    """Wald and Wolfowitz 1940: how far the number of runs in zeros and ones (n,) is from its mean, in deviations."""
    n, ones = len(bits), bits.sum().item()
    mean = 2 * ones * (n - ones) / n + 1
    n_runs = 1 + (bits[1:] != bits[:-1]).sum().item()
    return (n_runs - mean) / math.sqrt((mean - 1) * (mean - 2) / (n - 1))


# One tensor


@pytest.mark.parametrize("rate", RATES)
def test_values_are_dropped_at_the_rate_and_the_mean_stays(rate):
    torch.manual_seed(0)
    n = 1_000_000
    y = DropoutFromBits(rate)(torch.ones(n, dtype=torch.float64))
    kept = y.max().item()
    assert ((y == 0) | (y == kept)).all()
    met = 1 - 1 / kept  # the scale belongs to the rate that is met: kept * (1 - met) = 1
    assert abs(met - rate) <= 1 / (2 * LEVELS)
    assert abs((y == 0).sum().item() - met * n) < BOUND * math.sqrt(met * (1 - met) * n)


def test_what_is_zeroed_is_exactly_what_the_gradient_does_not_pass():
    torch.manual_seed(0)
    x = torch.randn(33, 77, dtype=torch.float64, requires_grad=True)
    y, of_y = DropoutFromBits(0.3)(x), torch.randn(33, 77, dtype=torch.float64)
    y.backward(of_y)
    zeroed = y == 0
    assert 0.2 < zeroed.double().mean() < 0.4
    assert (x.grad[zeroed] == 0).all()
    scale = LEVELS / (LEVELS - round(0.3 * LEVELS))
    assert_close(y[~zeroed], scale * x[~zeroed])
    assert_close(x.grad[~zeroed], scale * of_y[~zeroed])


def test_the_gradient_is_that_of_finite_differences():
    def seeded(x: Tensor) -> Tensor:
        torch.manual_seed(7)
        return FastDropout.apply(x, 0.4)

    assert torch.autograd.gradcheck(seeded, torch.randn(3, 7, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 5), (0, 4), (4, 4)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_of_any_size_and_kind_keep_both(shape, dtype):
    x = torch.ones(shape, dtype=dtype)
    y = DropoutFromBits(0.5)(x)
    assert y.shape == x.shape and y.dtype == dtype
    assert ((y == 0) | (y == 2)).all()


def test_a_tensor_that_does_not_lie_in_rows_keeps_its_values_in_their_places():
    x = torch.arange(1.0, 36.0).view(5, 7).t()
    y = DropoutFromBits(0.5)(x)
    assert y.shape == (7, 5) and (y[y != 0] == 2 * x[y != 0]).all()


def test_a_rate_beyond_what_16_bits_can_say_is_the_nearest_they_can():
    x = torch.ones(10_000)
    assert DropoutFromBits(1e-6)(x).equal(x)
    torch.manual_seed(0)
    many = torch.ones(2_000_000)
    almost_all = DropoutFromBits(1 - 1e-6)(many)
    kept = almost_all[almost_all != 0]
    assert 0 < len(kept) < 100 and (kept == LEVELS).all()  # one of 65,536
    assert not DropoutFromBits(1.0)(many).any()  # nn.Dropout's meaning of 1


def test_evaluation_and_rate_zero_change_nothing_and_draw_nothing():
    x = torch.randn(9, 5)
    state = torch.get_rng_state()
    assert DropoutFromBits(0.5).eval()(x).equal(x)
    assert DropoutFromBits(0.0)(x).equal(x)
    assert torch.get_rng_state().equal(state)


def test_the_readable_form_is_pytorchs_dropout():
    x = torch.randn(9, 5)
    torch.manual_seed(3)
    expected = nn.Dropout(0.3)(x)
    torch.manual_seed(3)
    assert nn.Dropout(0.3)(x).equal(expected)


# Where the chances come from


def test_the_seed_decides_and_the_generators_state_is_all_that_is_remembered():
    x, drop = torch.ones(7, 9), DropoutFromBits(0.5)
    torch.manual_seed(1)
    drop(x)
    state = torch.get_rng_state()  # what a checkpoint keeps
    after = drop(x), drop(x)
    torch.manual_seed(2)
    assert not drop(x).equal(after[0])
    torch.set_rng_state(state)
    assert drop(x).equal(after[0]) and drop(x).equal(after[1])
    torch.set_rng_state(state)
    assert DropoutFromBits(0.5)(x).equal(after[0])  # a module has no state of its own


@pytest.mark.parametrize(("n_values", "n_draws"), [(1, 1), (4, 1), (5, 2), (12, 3)])
def test_a_draw_of_64_bits_serves_four_values(n_values, n_draws):
    torch.manual_seed(1)
    keep_mask(torch.Size([n_values]), LEVELS // 2)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    torch.empty(n_draws, dtype=torch.int64).random_(-(2**63), None)
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("rate", [0.1, 0.15, 0.5])
def test_the_four_chances_of_one_draw_are_independent(rate):
    lanes = masks((4 * 250_000,), rate).view(-1, 4).t()  # (4, n)
    assert correlations(lanes).abs().max() < BOUND
    following = torch.cat([lanes[:, :-1], lanes[:, 1:]])  # and of the four of the next draw
    assert correlations(following).abs().max() < BOUND
    deviation = math.sqrt(rate * (1 - rate) / lanes.shape[1])
    assert (lanes.mean(dim=1) - (1 - rate)).abs().max() < BOUND * deviation + 1 / (2 * LEVELS)


def test_the_16_patterns_of_one_draw_are_as_frequent_as_independence_has_it():
    """Pearson's chi-squared with 15 degrees of freedom: above 44.3 once in 10,000 times."""
    lanes, n = masks((4 * 250_000,), 0.5).view(-1, 4), 250_000
    counts = torch.bincount((lanes @ torch.tensor([1.0, 2.0, 4.0, 8.0]).double()).long(), minlength=16)
    assert ((counts - n / 16).square() / (n / 16)).sum() < 44.3


@pytest.mark.parametrize("rate", [0.1, 0.15, 0.5])
def test_runs_are_as_many_as_chance_makes_them(rate):
    """Along the rows (the values of a token), down the columns (token after token), and lane after lane."""
    mask = masks((512, 257), rate)  # rows that no whole number of draws fills
    lanes = masks((4 * 100_000,), rate, seed=1).view(-1, 4)
    in_lanes = [runs(lanes[:, lane]) for lane in range(4)]
    in_draws = [runs(lanes.flatten())]
    whole = [runs(mask.flatten()), runs(mask.t().flatten())]
    assert max(map(abs, in_lanes + in_draws + whole)) < BOUND
    for lines in (mask, mask.t()):
        each = torch.tensor([runs(line) for line in lines])
        assert each.abs().max() < BOUND + 0.5  # the largest of some hundred
        assert abs(each.mean().item()) < BOUND / math.sqrt(len(each))
        assert 0.75 < each.std() < 1.25


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_value_says_nothing_about_those_that_follow(rate):
    mask, n = masks((400_000,), rate), 399_000
    shifted = torch.stack([mask[lag : lag + n] for lag in (0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 256, 624, 997)])
    assert correlations(shifted).abs().max() < BOUND


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_examples_of_a_batch_are_dropped_independently(rate):
    examples = masks((32, 64 * 129), rate)
    assert correlations(examples).abs().max() < BOUND
    columns = masks((20_000, 30), rate).t()
    assert correlations(columns).abs().max() < BOUND


@pytest.mark.parametrize("n_values", [40_000, 40_001, 39_999])
def test_two_layers_and_two_steps_are_dropped_independently(n_values):
    torch.manual_seed(0)
    layers, x = (DropoutFromBits(0.1), DropoutFromBits(0.1)), torch.ones(n_values)
    drawn = torch.stack([layer(x) != 0 for _ in range(6) for layer in layers]).double()
    assert correlations(drawn).abs().max() < BOUND


def test_the_masks_of_a_network_are_independent_over_places_layers_and_steps(monkeypatch):
    """T5 drops in seven places, attention weights among them: every mask of two steps against every other."""
    drawn: list[Tensor] = []

    def spy(shape: torch.Size, dropped: int) -> Tensor:
        drawn.append(keep_mask(shape, dropped))
        return drawn[-1]

    monkeypatch.setattr("model.dropout.keep_mask", spy)
    torch.manual_seed(0)
    config = preset("t5", vocab_size=50, d_model=64, n_heads=2, d_ff=64, n_encoder_layers=2, n_decoder_layers=2)
    model = make_network(config, pad_id=0)
    ids, mask = torch.randint(1, 50, (8, 32)), torch.ones(8, 32, dtype=torch.bool)
    for _ in range(2):
        model(ids, mask, ids)
    # Of each step: embeddings and outputs of both stacks, and what the 5 sublayers of 2 + 2 layers give and hold.
    assert len(drawn) == 2 * (4 + 2 * 2 * 5)
    assert {mask.numel() for mask in drawn} == {8 * 32 * 64}  # attention weights: 8 examples, 2 heads, 32 * 32
    assert correlations(torch.stack([mask.flatten() for mask in drawn]).double()).abs().max() < BOUND


def test_chances_that_are_shared_would_be_noticed():
    """The statistics against masks that are wrong on purpose."""
    first, second = masks((100_000,), 0.1, seed=1), masks((100_000,), 0.1, seed=2)
    in_fours = first[:25_000].repeat_interleave(4)  # one chance for all four of a draw
    assert correlations(in_fours.view(-1, 4).t()).min() > 10 * BOUND and runs(in_fours) < -10 * BOUND
    shared = torch.arange(100_000) % 20 == 0  # one chance of twenty is the other layer's
    assert correlations(torch.stack([first, second])).abs().max() < BOUND
    assert correlations(torch.stack([first, torch.where(shared, first, second)])).abs().max() > BOUND
