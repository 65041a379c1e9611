"""Compiled layers compute what the others do. Without a GPU this compiles to PyTorch's own operations only."""

import pytest
import torch

from data.batches import collate
from data.example import Item
from model.config import preset
from model.decoding import SpecialIds
from model.fast import make_network, runs_as_made
from system.errors import UserError
from training.batch_loss import batch_loss
from training.compiled import compile_layers
from training.recompute import recompute_layers

SPECIAL = SpecialIds(0, 2, 1)


def gradients(model):
    losses = []
    for length in (9, 14):  # of any length
        torch.manual_seed(2)
        items = [Item(list(range(3, 3 + length)), list(range(5, 4 + length))) for _ in range(3)]
        loss, _ = batch_loss(model, collate(items, ["a", "b", "c"], SPECIAL), 0.1)
        loss.backward()
        losses.append(loss.item())
    return losses, {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize("recompute", [False, True])
def test_compiled_layers_give_the_same_gradient(recompute):
    found = []
    for compiles in (False, True):
        torch.manual_seed(0)
        model = make_network(preset("modern", vocab_size=50, d_model=16, n_heads=2, d_ff=32), 0).train()
        if recompute:
            recompute_layers(model)
        if compiles:
            compile_layers(model, backend="eager")
            assert model.encoder[0]._compiled_call_impl is not None
            assert runs_as_made(model.eval())
            model.train()
        found.append(gradients(model))
    (losses, grads), (others, other_grads) = found
    assert losses == pytest.approx(others)
    for name, gradient in grads.items():
        torch.testing.assert_close(gradient, other_grads[name])


def test_compiling_for_a_cpu_is_refused_in_one_line(run, tmp_path):
    with pytest.raises(UserError, match="parallel.compile is for GPUs; leave it out on cpu"):
        run(tmp_path / "run", ["--parallel.compile"])
    assert not (tmp_path / "run").exists()
