"""The moving average of the weights: its value, its swap and its start."""

import pytest
import torch
from torch import nn

from training.ema import averaged_weights, start_average, update_average


def scalar_model(value):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def test_the_average_is_the_weighted_sum_of_all_weights():
    model, decay = scalar_model(1.0), 0.5
    average = start_average(model)
    for weight in (3.0, 5.0):
        nn.init.constant_(model.weight, weight)
        update_average(average, model, decay, step=1000)  # late: the decay itself
    assert average["weight"].item() == pytest.approx(0.25 * 1 + 0.25 * 3 + 0.5 * 5)


def test_the_random_start_is_forgotten_early():
    model = scalar_model(100.0)
    average = start_average(model)
    nn.init.constant_(model.weight, 0.0)
    for step in range(1, 101):
        update_average(average, model, 0.9999, step)
    assert abs(average["weight"].item()) < 1e-3


@pytest.mark.parametrize(("step", "share_of_the_weights"), [(1, 9 / 11), (2, 9 / 12), (8, 1 / 2), (90, 9 / 100)])
def test_early_steps_have_the_decay_of_their_number(step, share_of_the_weights):
    """d = (1 + step) / (10 + step) while that is the smaller one, so the new weights' share is 9 / (10 + step)."""
    model = scalar_model(0.0)
    average = start_average(model)
    nn.init.constant_(model.weight, 1.0)
    update_average(average, model, 0.9999, step)
    assert average["weight"].item() == pytest.approx(share_of_the_weights)


def test_the_averaged_weights_serve_only_inside_the_with():
    model = scalar_model(2.0)
    with averaged_weights(model, {"weight": torch.tensor([[7.0]])}):
        assert model(torch.ones(1)).item() == 7.0
    assert model.weight.item() == 2.0
    with pytest.raises(KeyboardInterrupt), averaged_weights(model, {"weight": torch.tensor([[7.0]])}):
        raise KeyboardInterrupt
    assert model.weight.item() == 2.0
    with averaged_weights(model, None):
        assert model.weight.item() == 2.0


def test_a_matrix_that_serves_twice_is_averaged_once():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    average = start_average(model)
    assert list(average) == ["0.weight"]
    with averaged_weights(model, {"0.weight": torch.zeros(2, 2)}):
        assert not model[1].weight.any()


def test_training_does_not_move_the_average_by_itself():
    model = scalar_model(1.0)
    average = start_average(model)
    nn.init.constant_(model.weight, 9.0)
    assert average["weight"].item() == 1.0
