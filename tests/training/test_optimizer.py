"""What decays, what is trained, and how far one step may go."""

import math

import pytest
import torch
from torch import nn

from training.config import LoopConfig
from training.optimizer import clip_gradient, make_optimizer, parameter_groups, set_learning_rate


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.output = nn.Linear(4, 7)
        self.output.weight = self.embedding.weight


def test_matrices_decay_and_vectors_do_not():
    model = Tied()
    matrices, vectors = parameter_groups(model, 0.1)
    assert [id(p) for p in matrices["params"]] == [id(model.embedding.weight)]
    expected = (model.norm.weight, model.norm.bias, model.output.bias)
    assert {id(p) for p in vectors["params"]} == {id(p) for p in expected}
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)


def test_frozen_weights_are_not_touched():
    model = Tied()
    model.norm.requires_grad_(False)
    trained = [p for group in make_optimizer(model, LoopConfig()).param_groups for p in group["params"]]
    assert {id(p) for p in trained} == {id(model.embedding.weight), id(model.output.bias)}


def test_every_share_of_the_rate_has_two_groups_the_largest_share_first():
    model = nn.ModuleDict({"low": nn.Linear(2, 3), "high": nn.Linear(3, 2)})
    shares = {name: 0.25 if name.startswith("low") else 1.0 for name, _ in model.named_parameters()}
    groups = parameter_groups(model, 0.1, shares)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    told = [(group["share"], group["weight_decay"], [names[id(p)] for p in group["params"]]) for group in groups]
    assert told == [
        (1.0, 0.1, ["high.weight"]), (1.0, 0.0, ["high.bias"]), (0.25, 0.1, ["low.weight"]), (0.25, 0.0, ["low.bias"])
    ]  # fmt: skip
    optimizer = torch.optim.SGD(groups, lr=9.0)
    set_learning_rate(optimizer, 0.4)
    assert [group["lr"] for group in optimizer.param_groups] == [0.4, 0.4, 0.1, 0.1]


def test_a_group_that_has_no_share_has_the_whole_rate():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=9.0)
    set_learning_rate(optimizer, 0.4)
    assert optimizer.param_groups[0]["lr"] == 0.4


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_step_is_the_one_of_the_paper(name):
    """The first step, by hand: m / (1 - b1) = g and v / (1 - b2) = g^2, so it is lr * g / (|g| + epsilon)."""
    matrix, vector = (nn.Parameter(torch.full(shape, 2.0)) for shape in ((1, 1), (1,)))
    model = nn.ParameterList([matrix, vector])
    optimizer = make_optimizer(model, LoopConfig(optimizer=name, weight_decay=0.5, epsilon=1e-3))
    set_learning_rate(optimizer, 0.1)
    matrix.grad, vector.grad = torch.full((1, 1), -3.0), torch.full((1,), 0.004)
    optimizer.step()
    decayed = 2.0 - (0.1 * 0.5 * 2.0 if name == "adamw" else 0.0)
    assert matrix.item() == pytest.approx(decayed + 0.1 * 3 / 3.001, rel=1e-5)
    assert vector.item() == pytest.approx(2.0 - 0.1 * 0.004 / 0.005, rel=1e-5)


def test_the_gradient_is_clipped_as_a_whole():
    model = nn.ParameterList([nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))])
    model[0].grad, model[1].grad = torch.tensor([2.0]), torch.tensor([3.0, 6.0])
    assert clip_gradient(model, 0).item() == pytest.approx(7.0)
    assert model[1].grad.tolist() == [3.0, 6.0]
    assert clip_gradient(model, 3.5).item() == pytest.approx(7.0)
    torch.testing.assert_close(torch.cat([model[0].grad, model[1].grad]), torch.tensor([1.0, 1.5, 3.0]))
    assert clip_gradient(model, 0.5).item() == pytest.approx(3.5)
    torch.testing.assert_close(torch.cat([model[0].grad, model[1].grad]), torch.tensor([1.0, 1.5, 3.0]) / 7)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_shows_in_its_norm(bad):
    model = nn.ParameterList([nn.Parameter(torch.zeros(3))])
    model[0].grad = torch.tensor([1.0, bad, 1.0])
    assert not math.isfinite(clip_gradient(model, 1.0))
