"""What is packed for a step of decoding gives the plain products and norms (`model/packed_weights.py`)."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from model.config import PRESETS
from model.normalization import LayerNorm, RMSNorm
from model.packed_weights import PackedLinear, StepNorm, scaled_query, weight_and_bias


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
