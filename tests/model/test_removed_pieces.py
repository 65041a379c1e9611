"""A network without one of its pieces: the piece is gone, the rest is as it was, and it trains and decodes."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from model.config import preset
from model.decoding import DecodingState, beam_search, greedy, start_decoding
from model.fast import FastTransformer, make_network
from model.normalization import make_norm
from model.numpy_reference.transformer import encode as encode_in_numpy
from training.flops import forward_flops

PIECES = {
    "residual": {"residual": False}, "cross_attention": {"cross_attention": False}, "causal": {"causal": False},
    "norm": {"norm": "none"}, "feed_forward": {"feed_forward": "none"},
}  # fmt: skip


@pytest.fixture(params=PIECES)
def without(request, tiny):
    """The 2017 network, pre-norm, without one piece, and the piece's name."""
    return tiny("vaswani2017", norm_position="pre", **PIECES[request.param]), request.param


def test_a_network_says_what_it_is_without(without, tiny):
    model, piece = without
    assert model.config.removed == (piece,) and tiny("vaswani2017").config.removed == ()


def test_no_parameter_of_a_removed_piece_is_left(without, tiny):
    model, piece = without
    whole = {name for name, _ in tiny("vaswani2017", norm_position="pre").named_parameters()}
    gone = whole - {name for name, _ in model.named_parameters()}
    part = {"norm": "norm", "cross_attention": "cross_attention", "feed_forward": "feed_forward"}.get(piece)
    assert gone == ({name for name in whole if part in name} if part else set())


def test_every_parameter_that_serves_gets_a_gradient(without, example):
    model, piece = without
    log_probs = model(example.source, example.source_mask, example.decoder_input)
    log_probs[..., 3].sum().backward()
    idle = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    of_encoder = {name for name, _ in model.named_parameters() if name.startswith("encoder")}
    assert idle == (of_encoder if piece == "cross_attention" else set())


def test_without_residual_connections_a_layer_is_its_sublayers_one_after_the_other(tiny):
    model = tiny("vaswani2017", norm_position="pre", residual=False)
    x, mask = torch.randn(2, 5, 16, dtype=torch.float64), torch.ones(2, 1, 1, 5, dtype=torch.bool)
    layer, order = model.encoder[0], model.encoder_positions.order(torch.arange(5), torch.arange(5))
    inner = layer.self_attention_residual.norm(x)
    heads = layer.self_attention(inner, *layer.self_attention.keys_and_values(inner, order), mask, order)[0]
    assert_close(layer(x, mask, order), layer.feed_forward(layer.feed_forward_residual.norm(heads)))


def test_without_cross_attention_the_source_changes_nothing(tiny, example):
    model = tiny("modern", cross_attention=False)
    other = example.source.roll(1, dims=0)
    outputs = [model(source, example.source_mask, example.decoder_input) for source in (example.source, other)]
    assert_close(*outputs, rtol=0, atol=0)


def test_the_start_token_is_seen_even_where_it_is_paddings(tiny):
    """T5's decoder starts with padding (Raffel et al. 2020)."""
    seen = tiny("t5", causal=False).real_tokens(torch.tensor([[0, 0, 5, 0], [3, 5, 6, 0]]))
    assert seen.tolist() == [[[[True, False, True, False]]], [[[True, True, True, False]]]]


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "alibi", "t5_relative"])
@pytest.mark.parametrize("speed", ["fast", "readable"])
def test_without_a_causal_mask_later_tokens_are_seen_and_padding_is_not(tiny, example, speed, positions):
    model = tiny("modern", causal=False, speed=speed, positions=positions)
    memory = model.encode(example.source, example.source_mask)
    states = model.decode(example.decoder_input, memory, example.source_mask)
    changed = example.decoder_input.clone()
    changed[:, -1] = changed[:, -1] % 17 + 1
    assert not torch.allclose(model.decode(changed, memory, example.source_mask)[:, 0], states[:, 0])
    padded = F.pad(example.decoder_input, (0, 3), value=model.pad_id)
    assert_close(model.decode(padded, memory, example.source_mask)[:, :6], states)


def test_with_one_a_later_token_changes_nothing(tiny, example):
    model = tiny("vaswani2017", norm_position="pre")
    memory = model.encode(example.source, example.source_mask)
    states = model.decode(example.decoder_input, memory, example.source_mask)
    changed = example.decoder_input.clone()
    changed[:, -1] = changed[:, -1] % 17 + 1
    assert_close(model.decode(changed, memory, example.source_mask)[:, :-1], states[:, :-1])


def test_no_norm_is_the_identity(tiny):
    config = replace(tiny("bart").config, norm="none")
    x = torch.randn(3, 16)
    assert make_norm(config)(x) is x


def test_decoding_steps_through_the_readable_modules_and_agrees_with_the_whole_prefix(without, example, special):
    model, piece = without
    rows = start_decoding(model, example.source, example.source_mask, special, 5)
    assert isinstance(rows, DecodingState) and isinstance(model, FastTransformer)
    outputs = greedy(model, example.source, example.source_mask, special, 5)
    if piece != "causal":  # the prefix's earlier states know only what came before them, in training too
        for source, mask, output in zip(example.source, example.source_mask, outputs, strict=True):
            prefix = torch.tensor([[special.decoder_start_id, *output]])
            with torch.no_grad():
                best = model(source[None], mask[None], prefix)[0].argmax(dim=-1).tolist()
            assert best[: len(output)] == output
    found = beam_search(model, example.source, example.source_mask, special, 5, beam=3)
    assert len(found) == 4 and all(hypotheses for hypotheses in found)


def test_flops_are_counted_for_what_is_there(tiny):
    whole = tiny("vaswani2017").config
    count = {piece: forward_flops(replace(whole, **changes), 7, 5) for piece, changes in PIECES.items()}
    h, d, f, layers = whole.n_heads * whole.d_k, whole.d_model, whole.d_ff, 2
    before = forward_flops(whole, 7, 5)
    assert before - count["feed_forward"] == 2 * layers * 2 * d * f * (7 + 5)
    assert before - count["cross_attention"] == 2 * layers * (2 * 5 * d * h + 2 * 7 * d * h + 2 * 5 * 7 * h)
    assert count["causal"] - before == 2 * layers * 5 * 5 * h
    assert count["residual"] == count["norm"] == before


def test_the_numpy_network_refuses_it_in_one_line(without, example):
    model, piece = without
    weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"without {piece}"):
        encode_in_numpy(example.source.numpy(), example.source_mask.numpy(), weights, model.config)


def test_t5s_queries_start_smaller_and_others_do_not():
    sizes = {"vocab_size": 19, "d_model": 64, "n_heads": 4, "d_ff": 24}
    for name, changes, expected in (
        ("t5", {}, 1 / 4), ("vaswani2017", {}, 1), ("vaswani2017", {"scale_attention": False}, 1),
    ):  # fmt: skip
        torch.manual_seed(0)
        attention = make_network(preset(name, **sizes, **changes), pad_id=0).encoder[0].self_attention
        ratio = attention.query.weight.detach().std() / attention.key.weight.detach().std()
        assert float(ratio) == pytest.approx(expected, rel=0.05)
