"""The two norms against PyTorch's modules and against numbers worked by hand."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from model.config import ModelConfig
from model.normalization import LayerNorm, RMSNorm, make_norm


@pytest.mark.parametrize("bias", [False, True])
def test_layer_norm_is_pytorchs(bias):
    ours = LayerNorm(10, 1e-5, bias=bias).double()
    theirs = nn.LayerNorm(10, eps=1e-5, bias=bias).double()
    with torch.no_grad():
        theirs.weight.copy_(nn.init.normal_(ours.gain))
        if bias:
            theirs.bias.copy_(nn.init.normal_(ours.bias))
    for scale in (3, 1e-3):  # epsilon shows in small numbers alone
        x = scale * torch.randn(4, 6, 10, dtype=torch.float64) + 1
        assert_close(ours(x), theirs(x))


def test_rms_norm_is_pytorchs():
    ours, theirs = RMSNorm(10, 1e-6).double(), nn.RMSNorm(10, eps=1e-6).double()
    with torch.no_grad():
        theirs.weight.copy_(nn.init.normal_(ours.gain))
    for scale in (3, 1e-3):  # epsilon shows in small numbers alone
        x = scale * torch.randn(4, 6, 10, dtype=torch.float64)
        assert_close(ours(x), theirs(x))


def test_both_norms_worked_by_hand():
    x = torch.tensor([1.0, 7.0, 1.0, 7.0])  # mean 4, deviation 3, mean square 25
    assert_close(LayerNorm(4, 0.0, bias=True)(x), torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    assert_close(RMSNorm(4, 0.0)(x), torch.tensor([0.2, 1.4, 0.2, 1.4]))


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5])
@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_epsilon_is_added_to_the_mean_square_inside_the_root(norm, epsilon):
    """Of numbers as small as its root, and in float64: elsewhere it would not show."""
    config = ModelConfig(d_model=10, n_heads=1, norm=norm, norm_epsilon=epsilon)
    x = 1e-3 * torch.randn(4, 10, dtype=torch.float64)
    centred = x - x.mean(dim=-1, keepdim=True) if norm == "layer" else x
    expected = centred / (centred.square().mean(dim=-1, keepdim=True) + epsilon).sqrt()
    assert_close(make_norm(config).double()(x), expected, rtol=1e-12, atol=0)


def test_epsilon_keeps_a_constant_token_finite():
    for norm in (LayerNorm(4, 1e-6, bias=False), RMSNorm(4, 1e-6)):
        assert norm(torch.zeros(4)).equal(torch.zeros(4))


def test_the_configuration_chooses_the_norm_and_its_bias():
    assert isinstance(make_norm(ModelConfig(norm="rms")), RMSNorm)
    assert make_norm(ModelConfig(norm="layer", biases=False)).bias is None
    assert make_norm(ModelConfig(norm="layer", biases=True)).bias is not None
