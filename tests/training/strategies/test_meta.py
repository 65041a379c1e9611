"""Meta-gradients against copies of the network that really take the inner steps; batches of one task."""

import contextlib
import copy

import pytest
import torch

from data.config import DataConfig
from data.example import Example
from data.multi_task import summary, task_of
from data.tasks.source import generated_source
from system.errors import UserError
from training.batch_loss import batch_loss, n_predicted
from training.config import LoopConfig, ObjectivesConfig
from training.mixture import Mixture
from training.strategies.config import MetaConfig, StrategiesConfig
from training.strategies.meta import meta_gradient, some_rows, split
from training.stream import Stream


def mean_gradient(model, batch):
    model.zero_grad(set_to_none=True)
    loss, n = batch_loss(model, batch, 0.0)
    (loss / n).backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters()}


def after(model, batch, rate):
    """A copy of the network after one plain step."""
    moved = copy.deepcopy(model)
    gradient = mean_gradient(moved, batch)
    with torch.no_grad():
        for name, weight in moved.named_parameters():
            weight -= rate * gradient[name]
    return moved


LOOP = LoopConfig(label_smoothing=0.0)


def of_meta(model, batch, **settings):
    model.zero_grad(set_to_none=True)
    total = meta_gradient(model, batch, LOOP, MetaConfig(**settings), 1.0)
    return total, {name: weight.grad.clone() for name, weight in model.named_parameters()}


def assert_close(found, expected):
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_fomaml_is_the_querys_gradient_after_the_inner_steps(make_model, batch):
    model = make_model(copy_head=True)
    first, second, query = split(batch, 3)
    there = after(after(model, first, 0.3), second, 0.3)
    expected = mean_gradient(there, query)
    total, found = of_meta(model, batch, kind="fomaml", inner_rate=0.3, inner_steps=2)
    assert_close(found, expected)
    losses = [batch_loss(model, first, 0.0)[0], batch_loss(after(model, first, 0.3), second, 0.0)[0],
              batch_loss(there, query, 0.0)[0]]  # fmt: skip
    torch.testing.assert_close(total, sum(losses).detach())


def test_reptile_is_the_mean_of_the_gradients_on_the_way(make_model, batch):
    model = make_model()
    first, second = split(batch, 2)
    one, two = mean_gradient(copy.deepcopy(model), first), mean_gradient(after(model, first, 0.3), second)
    _, found = of_meta(model, batch, kind="reptile", inner_rate=0.3, inner_steps=2)
    assert_close(found, {name: (one[name] + two[name]) / 2 for name in one})


def test_reptile_with_one_step_is_plain_training(make_model, batch):
    model = make_model()
    _, found = of_meta(model, batch, kind="reptile", inner_rate=0.1, inner_steps=1)
    assert_close(found, mean_gradient(model, batch))


@pytest.mark.parametrize("kind", ["fomaml", "reptile"])
def test_weights_stay_and_a_step_takes_the_mean_over_its_batches(make_model, batch, kind):
    model, meta = make_model(), MetaConfig(kind)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    other = some_rows(batch, torch.tensor([2, 0]))
    (_, one), (_, two) = of_meta(model, batch, kind=kind), of_meta(model, other, kind=kind)
    model.zero_grad(set_to_none=True)
    for part in (batch, other):
        meta_gradient(model, part, LOOP, meta, 1 / 2)
    assert_close({name: weight.grad for name, weight in model.named_parameters()},
                 {name: (one[name] + two[name]) / 2 for name in one})  # fmt: skip
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_bf16_reaches_the_inner_steps(make_model, batch, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "training.strategies.meta.autocast", lambda device, bf16: asked.append(bf16) or contextlib.nullcontext()
    )
    meta_gradient(make_model(), batch, LoopConfig(bf16=True), MetaConfig("reptile"), 1.0)
    assert asked == [True, True]


def test_parts_of_a_batch_are_its_rows(batch):
    parts = split(batch, 4)
    assert sorted(id for part in parts for id in part.ids) == sorted(batch.ids)
    assert sum(n_predicted(part) for part in parts) == n_predicted(batch)
    assert sum(part.n_tokens for part in parts) == batch.n_tokens
    assert [len(part.ids) for part in split(some_rows(batch, torch.tensor([2])), 3)] == [1]


def test_a_batch_holds_one_task(tokenizer):
    operations = enumerate("aabbcc" * 4)
    examples = [Example(f"g:{i}", f"add {i}", f"x += {i}", meta={"ops": (op, "x")}) for i, op in operations]
    for kind, tasks in (("fomaml", 1), ("none", 3)):
        strategies = StrategiesConfig(meta=MetaConfig(kind))
        mixture = Mixture(ObjectivesConfig(), tokenizer, 0, examples, strategies=strategies)
        stream = Stream(mixture, DataConfig(batch_tokens=0, batch_examples=8), None)
        by_id = {example.id: task_of(example) for example in examples}
        found = [{by_id[id] for id in made.ids} for made in stream.one_epoch()]
        assert max(map(len, found)) == tasks and set.union(*found) == {"python a", "python b", "python c"}


def test_a_summary_is_another_task_than_its_pair():
    pair = Example("g:1", "generated: add one", "x += 1", meta={"ops": ("a", "x")})
    assert task_of(summary(pair, "generated", "generated: ")) != task_of(pair)
    assert task_of(Example("b:1", "list files", "ls", "bash")) == "bash"


def test_operations_are_left_out_and_picked():
    sizes = {"generated_train": 300, "generated_test": 30, "held_out": 10}

    def operations(**chosen):
        source = generated_source(DataConfig(**sizes, **chosen), 1)
        return [set(example.meta["ops"]) for examples in source.splits().values() for example in examples]

    everything, without, only = operations(), operations(generated_without=("total", "size")), operations(
        generated_only=("total",)
    )
    assert any("total" in ops for ops in everything)
    assert without and not any(ops & {"total", "size"} for ops in without) and len(without) < len(everything)
    assert only and all("total" in ops for ops in only)
    with pytest.raises(UserError, match="no operation is called sum"):
        generated_source(DataConfig(generated_without=("sum",)), 1)
