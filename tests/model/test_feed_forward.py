"""Every feed-forward variant against its formula, computed number by number."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from model.config import ModelConfig
from model.feed_forward import FeedForward

ACTIVATIONS = {
    "relu": lambda z: max(z, 0.0),
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    # Hendrycks and Gimpel 2016, the approximation that T5 v1.1 was trained with.
    "geglu": lambda z: z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
    "swiglu": lambda z: z / (1 + math.exp(-z)),
}
ACTIVATIONS |= {"gelu_tanh": ACTIVATIONS["geglu"], "swish": ACTIVATIONS["swiglu"]}  # the same without a gate


def row_times(matrix: nn.Linear, x: list[float]) -> list[float]:
    products = [sum(w * value for w, value in zip(row, x)) for row in matrix.weight.tolist()]
    return products if matrix.bias is None else [p + b for p, b in zip(products, matrix.bias.tolist())]


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("variant", ACTIVATIONS)
def test_feed_forward_is_its_formula(variant, biases):
    torch.manual_seed(0)
    config = ModelConfig(d_model=4, n_heads=1, d_ff=6, feed_forward=variant, biases=biases)
    layer = FeedForward(config).double()
    x = torch.randn(4, dtype=torch.float64)
    inner = row_times(layer.inner, x.tolist())
    if layer.gate is None:
        hidden = [ACTIVATIONS[variant](z) for z in inner]
    else:
        hidden = [ACTIVATIONS[variant](g) * z for g, z in zip(row_times(layer.gate, x.tolist()), inner)]
    assert_close(layer(x), torch.tensor(row_times(layer.outer, hidden), dtype=torch.float64))


def test_positions_do_not_mix():
    layer = FeedForward(ModelConfig(d_model=4, n_heads=1, d_ff=6))
    x = torch.randn(2, 5, 4)
    assert_close(layer(x)[1, 3], layer(x[1, 3]))


def test_hidden_values_are_dropped_in_training_only():
    layer = FeedForward(ModelConfig(d_model=4, n_heads=1, d_ff=64, dropout_feed_forward=0.5))
    x = torch.randn(3, 4)
    assert not layer(x).equal(layer(x))
    layer.eval()
    assert layer(x).equal(layer(x))
