"""Which weights a layer-wise strategy moves, from when on, and how far."""

import pytest
import torch

from training.batch_loss import batch_loss
from training.config import LoopConfig
from training.optimizer import make_optimizer, set_learning_rate
from training.strategies.config import LayersConfig, StrategiesConfig
from training.strategies.cost import step_flops
from training.strategies.layer_wise import depths, freeze, rates


def step(model, batch, optimizer, rate=0.01):
    """One step of training; names of the weights that it has changed."""
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer.zero_grad(set_to_none=True)
    batch_loss(model, batch, 0.0)[0].backward()
    set_learning_rate(optimizer, rate)
    optimizer.step()
    return {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}


def rooms(names):
    return {".".join(name.split(".")[: 2 if name.split(".")[0] in ("encoder", "decoder") else 1]) for name in names}


def test_layers_lie_in_the_order_of_the_forward_pass(make_model):
    model = make_model(copy_head=True, tie_embeddings=False, positions="t5_relative")
    found = {}
    for name, depth in depths(model).items():
        found.setdefault(depth, set()).update(rooms([name]))
    assert found == {
        0: {"output", "copy_head", "decoder_norm"}, 1: {"decoder.1"}, 2: {"decoder.0"},
        3: {"encoder.1", "encoder_norm"}, 4: {"encoder.0"}, 5: {"embedding", "encoder_positions", "decoder_positions"},
    }  # fmt: skip


@pytest.mark.parametrize("copying", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_below_the_last_layers_nothing_changes_by_a_bit(make_model, batch, k, copying):
    model = make_model(copy_head=copying)
    freeze(model, LayersConfig(last=k), 1)
    optimizer = make_optimizer(model, LoopConfig(weight_decay=0.1))
    moved = set.union(*(step(model, batch, optimizer) for _ in range(3)))
    learn = {"decoder_norm", "decoder.1"} | ({"copy_head"} if copying else set())
    assert rooms(moved) == learn | ({"decoder.0", "encoder.1", "encoder_norm"} if k == 3 else set())


def test_what_learns_moves_as_it_does_in_plain_training(make_model, batch):
    plain, frozen = make_model(), make_model()
    freeze(frozen, LayersConfig(last=1), 1)
    for model in (plain, frozen):
        step(model, batch, make_optimizer(model, LoopConfig()))
    for name, weight in frozen.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(weight, dict(plain.named_parameters())[name])


def test_one_more_layer_learns_every_so_many_steps(make_model, batch):
    model, layers = make_model(), LayersConfig(unfreeze_every=2)
    optimizer = make_optimizer(model, LoopConfig(), rates(model, layers))
    seen = []
    for number in range(1, 11):
        freeze(model, layers, number)
        seen.append(max(depths(model)[name] for name in step(model, batch, optimizer)))
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_rates_fall_layer_by_layer(make_model, batch):
    """Adam's first step is as long as its learning rate, whatever the gradient."""
    model = make_model()
    shares = rates(model, LayersConfig(decay=0.5))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    step(model, batch, make_optimizer(model, LoopConfig(weight_decay=0.0), shares), rate=0.01)
    for name, weight in model.named_parameters():
        longest = (weight - before[name]).abs().max().item()
        assert longest == pytest.approx(0.01 * 0.5 ** depths(model)[name], rel=0.02)


def test_frozen_layers_cost_no_backward_pass(make_model, batch):
    model = make_model()
    config, plain = model.config, step_flops(model.config, batch, StrategiesConfig(), 1)
    assert step_flops(config, batch, StrategiesConfig(LayersConfig(last=5)), 1) == plain
    costs = [step_flops(config, batch, StrategiesConfig(LayersConfig(last=k)), 1) for k in (1, 2, 3, 4)]
    assert costs == sorted(costs) and plain / 3 < costs[0] and costs[-1] == plain
    unfreezing = StrategiesConfig(LayersConfig(unfreeze_every=10))
    assert [step_flops(config, batch, unfreezing, at) for at in (1, 11, 21, 31)] == costs
