"""Layers that compute their forward pass again in the backward pass: the same gradient, of less memory."""

import json

import pytest
import torch
from safetensors.torch import load_file

from data.batches import collate
from data.example import Item
from model.config import preset
from model.decoding import SpecialIds, greedy
from model.fast import make_network, runs_as_made
from training.batch_loss import batch_loss
from training.live_memory import LiveMemory
from training.recompute import recompute_layers

SPECIAL = SpecialIds(0, 2, 1)
B, LENGTH, WIDTH = 8, 24, 32


@pytest.fixture(autouse=True)
def in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def network(speed="fast", **changes):
    torch.manual_seed(0)
    return make_network(preset("modern", vocab_size=50, d_model=WIDTH, n_heads=2, d_ff=64, speed=speed, **changes), 0)


def batch():
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(3, 50, (LENGTH,), generator=generator).tolist() for _ in range(2 * B)]
    items = [Item(source, target) for source, target in zip(texts[:B], texts[B:], strict=True)]
    return collate(items, [str(number) for number in range(B)], SPECIAL)


def backward(model):
    """The loss and the gradients of a batch, how many bytes its forward pass keeps for them, and the next number."""
    example = batch()
    torch.manual_seed(2)
    with LiveMemory(model, example.source) as memory:
        before = memory.now
        loss, _ = batch_loss(model.train(), example, 0.1)
        kept = memory.now - before
    loss.backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return loss, gradients, kept, torch.rand(1)


SHAPES = {
    "fast": {"dropout_attention": 0.1}, "readable": {"speed": "readable", "dropout_feed_forward": 0.2},
    "copying": {"copy_head": True}, "relative positions": {"positions": "t5_relative"},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_is_the_same_in_every_bit_with_dropout_on(shape):
    plain, recomputed = network(**SHAPES[shape]), network(**SHAPES[shape])
    recompute_layers(recomputed)
    (loss, gradients, _, after), (other, others, _, after_then) = backward(plain), backward(recomputed)
    assert torch.equal(loss, other) and gradients.keys() == others.keys() and gradients
    assert all(torch.equal(gradient, others[name]) for name, gradient in gradients.items())
    assert torch.equal(after, after_then), "the running generator stands elsewhere"


def test_of_each_more_layer_a_forward_pass_keeps_what_goes_into_it_alone():
    kept = {}
    for layers in (2, 4):
        model = network(n_encoder_layers=layers, n_decoder_layers=layers)
        recompute_layers(model)
        kept[layers] = backward(model)[2]
    states = B * LENGTH * WIDTH * 8  # bytes of B x T x d_model numbers
    assert 0 < kept[4] - kept[2] <= 4 * states
    assert backward(network())[2] > 5 * kept[4]


def test_nothing_is_recomputed_where_no_gradient_is_made(monkeypatch):
    model, plain = network().eval(), network().eval()
    recompute_layers(model)
    monkeypatch.setattr("training.recompute.checkpoint", None)
    assert runs_as_made(model), "decoding steps through the modules"
    example = batch()
    one, other = (greedy(found, example.source, example.source_mask, SPECIAL, 10) for found in (model, plain))
    assert one == other
    with torch.no_grad():
        assert batch_loss(model, example, 0.0)[0] == batch_loss(plain, example, 0.0)[0]


@pytest.mark.parametrize("strategy", ["", "--strategies.adversary.kind freelb"])
def test_a_run_ends_with_the_same_weights(run, training_alone, tmp_path, strategy):
    options = f"--training.steps 3 --training.accumulate 2 --parallel.mode none {strategy}".split()
    run(tmp_path / "plain", options)
    run(tmp_path / "recomputed", [*options, "--parallel.recompute"])
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "recomputed"))
    assert one.keys() == other.keys() and all(torch.equal(weight, other[name]) for name, weight in one.items())
    assert json.loads((tmp_path / "recomputed" / "config.json").read_text())["parallel"]["recompute"]
