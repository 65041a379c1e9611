"""Encoder and decoder layers against PyTorch's own, with the same weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from model.config import ModelConfig, preset
from model.layers import DecoderLayer, EncoderLayer, Residual
from model.positions import Order

CHANGES = {"d_model": 12, "n_heads": 3, "d_ff": 20, "positions": "none", "dropout": 0.0, "dropout_attention": 0.0}


def randomise(module: nn.Module) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)


def copy_attention(theirs: nn.MultiheadAttention, ours: nn.Module) -> None:
    projections = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
    theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_norm(theirs: nn.LayerNorm, ours: Residual) -> None:
    theirs.weight.copy_(ours.norm.gain)
    theirs.bias.copy_(ours.norm.bias)


@torch.no_grad()
def pytorch_layer(ours: EncoderLayer | DecoderLayer, config: ModelConfig) -> nn.Module:
    maker = nn.TransformerDecoderLayer if isinstance(ours, DecoderLayer) else nn.TransformerEncoderLayer
    theirs = maker(
        config.d_model, config.n_heads, config.d_ff, dropout=0.0, activation=config.feed_forward, batch_first=True,
        norm_first=config.norm_position == "pre", dtype=torch.float64,
    )  # fmt: skip
    copy_attention(theirs.self_attn, ours.self_attention)
    residuals = [ours.self_attention_residual, ours.feed_forward_residual]
    if isinstance(ours, DecoderLayer):
        copy_attention(theirs.multihead_attn, ours.cross_attention)
        residuals.insert(1, ours.cross_attention_residual)
    for number, residual in enumerate(residuals, start=1):
        copy_norm(getattr(theirs, f"norm{number}"), residual)
    theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.outer.state_dict())
    return theirs.eval()


@pytest.fixture(params=["post", "pre"])
def config(request) -> ModelConfig:
    name = "vaswani2017" if request.param == "post" else "bart"  # ReLU in the one, GELU in the other
    return preset(name, norm_position=request.param, **CHANGES)


def random_source() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 7, 12, dtype=torch.float64), torch.arange(7) < torch.tensor([7, 3])[:, None]


def test_an_encoder_layer_is_pytorchs_with_the_same_weights(config):
    ours = EncoderLayer(config).double().eval()
    randomise(ours)
    x, mask = random_source()
    output = ours(x, mask[:, None, None, :], Order())
    expected = pytorch_layer(ours, config)(x, src_key_padding_mask=~mask)
    assert_close(output[mask], expected[mask])


def test_a_decoder_layer_is_pytorchs_with_the_same_weights(config):
    ours = DecoderLayer(config, 0).double().eval()
    randomise(ours)
    memory, mask = random_source()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    output = ours(x, memory, mask[:, None, None, :], Order(), None, None)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    expected = pytorch_layer(ours, config)(x, memory, tgt_mask=future, memory_key_padding_mask=~mask)
    assert_close(output, expected)


def test_post_norm_normalises_the_sum_and_pre_norm_the_sublayers_input():
    x = torch.tensor([[3.0, -1.0, 1.0, 5.0]])
    post = Residual(ModelConfig(d_model=4, n_heads=1, dropout=0.0, norm="layer", norm_position="post"))
    pre = Residual(ModelConfig(d_model=4, n_heads=1, dropout=0.0, norm="layer", norm_position="pre"))
    assert_close(post(x, lambda y: y), nn.LayerNorm(4)(2 * x), atol=1e-4, rtol=0)
    assert_close(pre(x, lambda y: 10 * y), x + 10 * nn.LayerNorm(4)(x), atol=1e-4, rtol=0)


def test_the_residual_path_of_a_pre_norm_layer_is_the_identity():
    x = torch.randn(2, 5, 12)
    layer = EncoderLayer(preset("modern", **CHANGES)).eval()
    for parameter in (layer.self_attention.output.weight, layer.feed_forward.outer.weight):
        nn.init.zeros_(parameter)
    assert layer(x, torch.ones(2, 1, 1, 5, dtype=torch.bool), Order()).equal(x)


def test_a_sublayers_output_is_dropped_and_its_input_is_not():
    residual = Residual(ModelConfig(d_model=64, n_heads=1, dropout=0.5))
    change = residual(torch.zeros(64), lambda y: torch.ones(64))
    assert set(change.tolist()) == {0.0, 2.0}
