"""Packed weights give the plain products, are made anew when a weight has changed, and only then."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from model.config import PRESETS
from model.fast import passed_over
from model.normalization import LayerNorm, RMSNorm
from model.packed_weights import PackedLinear, StepNorm, decoder_weights, scaled_query, some_numbers, weight_and_bias
from model.transformer import Transformer


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("n_rows", [0, 1, 2, 5, 32, 131])
def test_matrices_side_by_side_are_their_products_side_by_side(n_rows, biases, dtype, laid_out):
    torch.manual_seed(0)
    layers = [nn.Linear(33, d_out, bias=biases).to(dtype) for d_out in (5, 64, 17)]
    x = torch.randn(n_rows, 33, dtype=dtype)
    expected = torch.cat([F.linear(x, layer.weight, layer.bias) for layer in layers], dim=1)
    for one_row in (False, True):
        packed = PackedLinear(*map(weight_and_bias, layers), one_row=one_row)
        assert (packed.packed is not None) == (laid_out and dtype == torch.float32 and not one_row)
        with torch.inference_mode():
            assert_close(packed(x), expected, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm", [RMSNorm(12, 1e-6), RMSNorm(12, 0.1), LayerNorm(12, 1e-5, True), nn.Identity()])
def test_a_steps_norm_is_the_norm(norm, dtype):
    norm = copy.deepcopy(norm).to(dtype)
    assert (StepNorm(norm).gain is not None) == isinstance(norm, RMSNorm)  # on a CPU it has a form of its own
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter += torch.randn_like(parameter)
        for scale in (1e-4, 1.0, 1e6):
            x = scale * torch.randn(5, 12, dtype=dtype)
            assert_close(StepNorm(norm)(x), norm(x))
        if not isinstance(norm, nn.Identity):
            assert StepNorm(norm)(torch.zeros(1, 12, dtype=dtype)).equal(norm(torch.zeros(1, 12, dtype=dtype)))


@pytest.mark.parametrize("name", PRESETS)
def test_a_query_matrix_holds_the_factor_of_equation_4(tiny, name):
    model = tiny(name)
    attention = model.decoder[0].cross_attention
    x = torch.randn(3, 16, dtype=torch.float64)
    assert_close(F.linear(x, *scaled_query(attention)), attention.query(x) * attention.scale)


# When they are made


def packed(model: Transformer) -> list:
    return [decoder_weights(model, one_row) for one_row in (False, True)]


def test_unchanged_weights_are_packed_once_for_one_row_and_once_for_more(decoding):
    model = decoding.model
    before = packed(model)
    decoding.outputs(model)
    decoding.outputs(model)
    model.eval()
    assert [id(weights) for weights in packed(model)] == [id(weights) for weights in before]
    assert before[0] is not before[1]


def step_of_training(decoding) -> None:
    """As the training loop makes it: a fused AdamW, which leaves no mark on the weights that it changes."""
    model, example = decoding.model.train(), decoding.example
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.3, fused=True)
    (-model(example.source, example.source_mask, example.decoder_input)[..., 5].mean()).backward()
    optimizer.step()
    model.eval()


@torch.no_grad()
def fill_in_place(decoding) -> None:
    decoding.model.decoder[0].feed_forward.inner.weight.fill_(0.25)
    decoding.model.decoder[1].cross_attention.value.weight.mul_(-2)


def other_weights(decoding) -> None:
    changed = {name: tensor + torch.randn_like(tensor) for name, tensor in decoding.model.state_dict().items()}
    decoding.model.load_state_dict(changed)


def another_parameter(decoding) -> None:
    layer = decoding.model.decoder[0].self_attention
    layer.output.weight = nn.Parameter(torch.randn_like(layer.output.weight))


def double_precision(decoding) -> None:
    decoding.model.double()


CHANGES = [step_of_training, fill_in_place, other_weights, another_parameter, double_precision]


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_have_changed_are_packed_anew(decoding, change):
    torch.manual_seed(0)
    model, before = decoding.model, decoding.outputs(decoding.model)
    old = packed(model)
    change(decoding)
    assert all(new is not stale for new, stale in zip(packed(model), old, strict=True))
    after = decoding.outputs(model)
    assert after == decoding.outputs(decoding.fresh(model).to(model.embedding.weight.dtype))
    if change is not double_precision:
        assert after != before, "the change should be one that shows"


def test_training_lets_go_of_packed_weights(decoding):
    decoding.outputs(decoding.model)
    assert decoding.model.packed_weights
    decoding.model.train()
    assert not decoding.model.packed_weights


def test_packed_weights_are_in_no_state_and_in_no_copy(decoding):
    model, names = decoding.model, list(decoding.model.state_dict())
    before = decoding.outputs(model)
    assert list(model.state_dict()) == names
    twin = copy.deepcopy(model)
    assert not twin.packed_weights and model.packed_weights
    fill_in_place(SimpleNamespace(model=twin))
    assert decoding.outputs(twin) != before
    assert decoding.outputs(model) == before


# What is compared


SHAPES = [
    (16,), (2047,), (16, 16), (64, 48), (256, 256), (1024, 256), (90, 777), (4000, 183), (9000, 64), (24, 4000),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_compared_has_a_number_of_every_row_and_every_column(shape):
    weight = nn.Parameter(torch.zeros(shape))
    seen = some_numbers(weight)
    assert seen.data_ptr() == weight.data_ptr() and seen.numel() >= min(1024, weight.numel())
    assert seen.numel() == weight.numel() or weight.numel() >= 2048
    assert seen.numel() <= max(8192, weight.numel() // 20), "reading should stay cheap"
    with torch.no_grad():
        for axis in range(weight.dim()):
            for index in range(0, shape[axis], 7):
                weight.zero_()
                weight.select(axis, index).fill_(1)
                assert seen.any(), (axis, index)


def test_every_weight_that_is_packed_is_compared(decoding):
    model = decoding.model
    compared = {id(weight) for module in passed_over(model) for weight in module.parameters(recurse=False)}
    parts = [*model.decoder.parameters(), *model.decoder_norm.parameters(), *model.output.parameters()]
    assert {id(weight) for weight in parts} <= compared
