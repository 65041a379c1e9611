"""The linear layer as a convolution is the matrix product, forward and backward, and serves only where it is faster."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from model.config import ModelConfig
from model.fast import make_network
from model.linear import (
    FEWEST_ROWS,
    FEWEST_WITHOUT_GRADIENT,
    FastLinear,
    has_wide_onednn,
    linear_as_convolution,
    onednn_linear,
    suits_onednn,
)


def random_parts(shape: tuple[int, ...], d_in: int, d_out: int, bias: bool) -> list[Tensor]:
    """Input (*shape, d_in), weight (d_out, d_in), bias (d_out) where there is one, and the output's gradient."""
    generator = torch.Generator().manual_seed(d_in * 1000 + d_out)
    sizes = [(*shape, d_in), (d_out, d_in), *([(d_out,)] if bias else []), (*shape, d_out)]
    return [torch.randn(size, generator=generator) for size in sizes]


def forward_and_backward(form, parts: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    *inputs, of_output = (part.to(dtype) for part in parts)
    inputs = [part.requires_grad_() for part in inputs]
    output = form(*inputs)
    return [output.detach(), *torch.autograd.grad(output, inputs, of_output)]


def assert_same_as_the_product(parts: list[Tensor]) -> None:
    """In float32, where oneDNN serves, against the product in float64; sums of n numbers round with n."""
    truth = forward_and_backward(F.linear, parts, torch.float64)
    for got, expected in zip(forward_and_backward(linear_as_convolution, parts, torch.float32), truth, strict=True):
        assert got.shape == expected.shape
        assert_close(got.double(), expected, rtol=1e-5, atol=1e-6 * max(1.0, expected.abs().max().item()))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("shape", "d_in", "d_out"),
    [((), 5, 3), ((64,), 16, 16), ((1,), 7, 1), ((3, 29), 33, 65), ((2, 3, 11), 1, 9), ((5, 40), 256, 100)],
)
def test_the_convolution_is_the_matrix_product_forward_and_backward(shape, d_in, d_out, bias):
    assert_same_as_the_product(random_parts(shape, d_in, d_out, bias))


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(1, 9), max_size=3).map(tuple), d_in=st.integers(1, 40), d_out=st.integers(1, 40),
    bias=st.booleans(),
)  # fmt: skip
def test_the_convolution_is_the_matrix_product_for_any_sizes(shape, d_in, d_out, bias):
    assert_same_as_the_product(random_parts(shape, d_in, d_out, bias))


def test_inputs_that_do_not_lie_in_rows_are_read_as_they_are_seen():
    x, weight, _ = random_parts((12, 8), 6, 5, bias=False)  # (12, 8, 6)
    for seen in (x.transpose(0, 1), x[::2], x[:, 3:7], x[..., :1].expand(12, 8, 6)):
        assert_close(linear_as_convolution(seen, weight), F.linear(seen, weight))
    assert linear_as_convolution(x, weight).is_contiguous()  # heads are cut out of it with `view`


@pytest.fixture
def wide_cpu(monkeypatch):
    """A CPU on which the convolution is the faster form, whatever this one is."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr("model.linear.has_wide_onednn", lambda: True)


@pytest.mark.parametrize(("capability", "has_onednn"), [("AVX512", True), ("AVX512", False), ("AVX2", True)])
def test_onednn_is_wide_where_it_is_there_and_the_cpu_has_avx_512(monkeypatch, capability, has_onednn):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr("model.linear.has_onednn", lambda: has_onednn)
    assert has_wide_onednn.__wrapped__() == (capability == "AVX512" and has_onednn)


def calls_of_the_convolution(monkeypatch) -> list[Tensor]:
    seen = []

    def spy(x: Tensor, *rest: Tensor | None) -> Tensor:
        seen.append(x)
        return linear_as_convolution(x, *rest)

    monkeypatch.setattr("model.linear.linear_as_convolution", spy)
    return seen


def test_the_fast_layer_is_a_convolution_from_64_rows_on_and_the_readable_one_never(wide_cpu, monkeypatch):
    seen = calls_of_the_convolution(monkeypatch)
    layer, readable = FastLinear(6, 5, True), nn.Linear(6, 5, True)
    readable.load_state_dict(layer.state_dict())
    for shape, n_calls in (((FEWEST_ROWS - 1,), 0), ((FEWEST_ROWS,), 1), ((8, 8), 2), ((9, 7), 2), ((0, 7), 2)):
        x = torch.randn(*shape, 6)
        assert_close(layer(x), readable(x))
        assert len(seen) == n_calls


def test_what_the_convolution_does_not_serve_is_a_plain_product(wide_cpu, monkeypatch):
    layer, x = FastLinear(6, 5, True), torch.randn(2, FEWEST_ROWS, 6)
    assert suits_onednn(x)
    monkeypatch.setattr("model.linear.linear_as_convolution", lambda *_: pytest.fail("this should be a product"))
    for dtype in (torch.float64, torch.bfloat16):
        layer, x = layer.to(dtype), x.to(dtype)
        assert layer(x).equal(F.linear(x, layer.weight, layer.bias))
    layer, x = layer.float(), x.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    monkeypatch.setattr("model.linear.has_wide_onednn", lambda: False)
    assert layer(x).equal(F.linear(x, layer.weight, layer.bias))


def test_every_matrix_of_a_fast_network_is_read_by_convolutions(wide_cpu, monkeypatch):
    seen = calls_of_the_convolution(monkeypatch)
    sizes = {"vocab_size": 50, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 1, "n_decoder_layers": 1}
    ids, mask = torch.randint(1, 50, (4, 16)), torch.ones(4, 16, dtype=torch.bool)
    # 4 of each attention, 3 of each gated feed-forward layer, the output.
    for speed, n_calls in (("fast", 3 * 4 + 2 * 3 + 1), ("readable", 0)):
        seen.clear()
        make_network(ModelConfig(**sizes, speed=speed), pad_id=0)(ids, mask, ids)
        assert len(seen) == n_calls


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("n_rows", [FEWEST_WITHOUT_GRADIENT - 1, FEWEST_WITHOUT_GRADIENT, FEWEST_ROWS])
def test_without_a_gradient_few_rows_are_enough_for_onednn(wide_cpu, monkeypatch, n_rows, bias):
    calls = []
    monkeypatch.setattr("model.linear.onednn_linear", lambda *parts: calls.append(1) or onednn_linear(*parts))
    monkeypatch.setattr("model.linear.linear_as_convolution", lambda *_: pytest.fail("nothing has a gradient here"))
    layer, x = FastLinear(48, 33, bias), torch.randn(1, n_rows, 48)
    with torch.no_grad():
        assert_close(layer(x), F.linear(x, layer.weight, layer.bias))
    assert len(calls) == (n_rows >= FEWEST_WITHOUT_GRADIENT)
