"""LoRA: nothing changes at first, only the thin matrices learn, and what they learn is the network's in the end."""

import torch

from training.batch_loss import batch_loss
from training.config import LoopConfig
from training.optimizer import make_optimizer
from training.strategies.lora import adapted_layers, add_lora, merge_lora


def outputs(model, batch):
    with torch.no_grad():
        return model.eval()(batch.source, batch.source_mask, batch.decoder_input)


def test_it_starts_as_the_network_and_ends_with_its_shape(make_model, batch):
    torch.manual_seed(0)
    model = make_model(copy_head=True)
    names, before = [name for name, _ in model.named_parameters()], outputs(model, batch)
    frozen = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    add_lora(model, 2, 4.0)
    assert torch.equal(outputs(model, batch), before)
    optimizer = make_optimizer(model, LoopConfig(weight_decay=0.1, learning_rate=0.01))
    for _ in range(5):
        optimizer.zero_grad()
        batch_loss(model, batch, 0.0)[0].backward()
        optimizer.step()
    learnt = outputs(model, batch)
    assert not torch.allclose(learnt, before, atol=1e-2)
    products = {id(layer): layer.parametrizations.weight[0] for layer in adapted_layers(model)}
    beside = {id(layer): addition.scale * addition.b @ addition.a for layer, addition in
              ((layer, products[id(layer)]) for layer in adapted_layers(model))}  # fmt: skip
    merge_lora(model)
    torch.testing.assert_close(outputs(model, batch), learnt)
    assert sorted(name for name, _ in model.named_parameters()) == sorted(names)
    moved = {id(layer.weight): layer for layer in adapted_layers(model)}
    for name, weight in model.named_parameters():
        added = beside[id(moved[id(weight)])] if id(weight) in moved else torch.zeros(())
        torch.testing.assert_close(weight.detach(), frozen[name] + added)
        assert torch.linalg.matrix_rank(weight.detach() - frozen[name]) <= 2 if id(weight) in moved else True


def test_a_head_that_is_new_learns_too(make_model, batch):
    model = make_model(copy_head=True, tag_head=True)
    add_lora(model, 2, 4.0, ["copy_head"])
    learn = {id(weight) for weight in model.parameters() if weight.requires_grad}
    beside = {id(weight) for layer in adapted_layers(model) for weight in layer.parametrizations.weight[0].parameters()}
    assert learn == beside | {id(weight) for weight in model.copy_head.parameters()}


def test_it_learns_few_numbers(make_model):
    model = make_model()
    n_layers = 2 + 2 * 2  # attentions: one of an encoder layer, two of a decoder layer
    add_lora(model, 3, 3.0)
    learn = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in learn) == n_layers * 2 * 3 * (16 + 16)
