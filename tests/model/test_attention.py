"""Equations (4) and (5): against numbers worked by hand, against PyTorch, and one form against the other."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from model.attention import (
    KeyValueCache,
    MultiHeadAttention,
    causal_mask,
    written_out_attention,
)
from model.config import ModelConfig
from model.dropout import LEVELS, keep_mask
from model.fused_attention import FusedAttention, fused_attention

FORMS = {
    "readable": lambda *arguments: written_out_attention(*arguments)[0],
    "fast": fused_attention,
}
MODULES = {"readable": MultiHeadAttention, "fast": FusedAttention}
# While weights are dropped a CPU's fast form is another: here it is asked to drop one of 10^9, which is none.
EQUATION_4 = {**FORMS, "batched": lambda *arguments, **settings: fused_attention(*arguments, 1e-9, **settings)}


def random_heads(*lengths: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 3, length, 4, dtype=torch.float64, requires_grad=True) for length in lengths]


@pytest.mark.parametrize("form", EQUATION_4)
def test_equation_4_on_two_tokens_worked_by_hand(form):
    # Scores q.k / sqrt(4): for the first query (ln 3, 0), for the second (0, 0). softmax(ln 3, 0) = (3/4, 1/4).
    queries = torch.tensor([[math.log(3), 0, 0, 0], [0, 0, 0, 0]], dtype=torch.float64)[None, None]
    keys = torch.tensor([[2, 0, 0, 0], [0, 7, 0, 0]], dtype=torch.float64)[None, None]
    values = torch.tensor([[8, 0, 1, 0], [0, 4, 1, 0]], dtype=torch.float64)[None, None]
    output = EQUATION_4[form](queries, keys, values, None, None, 1 / math.sqrt(4))
    assert_close(output[0, 0], torch.tensor([[6, 1, 1, 0], [4, 2, 1, 0]], dtype=torch.float64))


def test_the_weights_of_a_query_sum_to_one_and_are_zero_where_it_may_not_attend():
    queries, keys, values = random_heads(5, 7, 7)
    may_attend = torch.rand(2, 1, 5, 7) < 0.6
    may_attend[..., 0] = True
    _, weights = written_out_attention(queries, keys, values, may_attend, None, 0.5)
    assert_close(weights.sum(dim=-1), torch.ones(2, 3, 5, dtype=torch.float64))
    assert (weights[~may_attend.expand_as(weights)] == 0).all()


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_all_forms_of_attention_agree_forward_and_backward(with_mask, with_bias):
    inputs = random_heads(5, 7, 7)
    bias = torch.randn(1, 3, 5, 7, dtype=torch.float64, requires_grad=True) if with_bias else None
    may_attend = torch.rand(2, 1, 5, 7) < 0.5 if with_mask else None
    if with_mask:
        may_attend[0, :, 2] = False
    wanted = [*inputs, bias] if with_bias else inputs
    weight = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    results = []
    for form in EQUATION_4.values():
        output = form(*inputs, may_attend, bias, 0.5)
        results.append((output, torch.autograd.grad((output * weight).sum(), wanted)))
    assert_close(results[0], results[1])
    assert_close(results[0], results[2])


def test_the_causal_kernel_is_the_causal_mask():
    queries, keys, values = random_heads(6, 6, 6)
    positions = torch.arange(6)
    written_out, _ = written_out_attention(queries, keys, values, causal_mask(positions, positions), None, 0.5)
    for form in ("fast", "batched"):
        assert_close(EQUATION_4[form](queries, keys, values, None, None, 0.5, causal=True), written_out)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("seen", ["everything", "real tokens", "the past"])
def test_dropped_weights_are_the_written_out_weights_with_some_zeroed(seen, with_bias):
    inputs = random_heads(6, 6, 6)
    bias = torch.randn(1, 3, 6, 6, dtype=torch.float64, requires_grad=True) if with_bias else None
    real = torch.arange(6) < torch.tensor([6, 4])[:, None]  # (B, S)
    past = causal_mask(torch.arange(6), torch.arange(6))  # (T, S)
    may_attend = {"everything": None, "real tokens": real[:, None, None], "the past": past}[seen]
    wanted, of_output = [*inputs, *([bias] if with_bias else [])], torch.randn(2, 3, 6, 4, dtype=torch.float64)

    torch.manual_seed(4)
    causal = may_attend is past and not with_bias  # where the mask is a bias, it is given whole
    dropped = fused_attention(*inputs, None if causal else may_attend, bias, 0.5, 0.25, causal)
    torch.manual_seed(4)
    kept = keep_mask(torch.Size([2, 3, 6, 6]), LEVELS // 4) / (1 - 0.25)
    _, weights = written_out_attention(*inputs, may_attend, bias, 0.5)
    expected = (weights * kept) @ inputs[2]
    assert 0.1 < (kept == 0).double().mean() < 0.4
    assert_close(dropped, expected)
    assert_close(
        torch.autograd.grad((dropped * of_output).sum(), wanted),
        torch.autograd.grad((expected * of_output).sum(), wanted),
    )


def test_the_causal_mask_is_a_triangle_and_a_later_window_is_its_lower_rows():
    triangle = causal_mask(torch.arange(4), torch.arange(4))
    assert triangle.tolist() == torch.ones(4, 4).tril().bool().tolist()
    assert causal_mask(torch.arange(2, 4), torch.arange(4)).equal(triangle[2:])


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", EQUATION_4)
def test_a_query_that_may_attend_to_nothing_gives_zeros_forward_and_backward(form, dtype, with_bias):
    inputs = [x.detach().to(dtype).requires_grad_() for x in random_heads(5, 7, 7)]
    bias = torch.randn(1, 3, 5, 7).to(dtype).requires_grad_() if with_bias else None
    may_attend = torch.ones(2, 1, 5, 7, dtype=torch.bool)
    may_attend[0, :, 3] = False  # one query of the first example
    may_attend[1] = False  # every query of the second
    output = EQUATION_4[form](*inputs, may_attend, bias, 0.5)
    assert (output[0, :, 3] == 0).all() and (output[1] == 0).all()
    assert (output[0, :, :3] != 0).all()

    output.sum().backward()
    query_gradient, key_gradient, value_gradient = (x.grad for x in inputs)
    assert (query_gradient[0, :, 3] == 0).all()
    for gradient in (query_gradient, key_gradient, value_gradient):
        assert gradient.isfinite().all() and (gradient[1] == 0).all() and (gradient[0] != 0).any()
    if with_bias:
        assert bias.grad.isfinite().all() and (bias.grad[0, :, 3] == 0).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("biases", [False, True])
def test_multi_head_attention_is_pytorchs_with_the_same_weights(form, biases):
    config = ModelConfig(d_model=12, n_heads=3, biases=biases, positions="none")
    ours = MODULES[form](config).double()
    theirs = nn.MultiheadAttention(12, 3, bias=biases, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter in ours.parameters():
            nn.init.normal_(parameter)
        projections = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        if biases:
            theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
            theirs.out_proj.bias.copy_(ours.output.bias)
    x, memory = torch.randn(2, 5, 12, dtype=torch.float64), torch.randn(2, 7, 12, dtype=torch.float64)
    source_mask = torch.arange(7) < torch.tensor([7, 3])[:, None]

    output, weights = ours(x, *ours.keys_and_values(memory), source_mask[:, None, None, :])
    expected, expected_weights = theirs(
        x, memory, memory, key_padding_mask=~source_mask, need_weights=True, average_attn_weights=False
    )
    assert_close(output, expected)
    if form == "readable":
        assert_close(weights, expected_weights)
    else:
        assert weights is None


def test_the_two_forms_are_one_module_with_one_set_of_weights():
    modules = {
        form: MODULES[form](ModelConfig(d_model=12, n_heads=3, positions="none")).double()
        for form in FORMS
    }
    modules["fast"].load_state_dict(modules["readable"].state_dict())
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    outputs = [module(x, *module.keys_and_values(x), None, causal=True)[0] for module in modules.values()]
    assert_close(*outputs)


@pytest.mark.parametrize("form", FORMS)
def test_attention_weights_are_dropped_in_training_only(form):
    config = ModelConfig(d_model=12, n_heads=3, positions="none", dropout_attention=0.5)
    module = MODULES[form](config)
    x = torch.randn(2, 5, 12)

    def run() -> torch.Tensor:
        return module(x, *module.keys_and_values(x), None)[0]

    assert not run().equal(run())
    module.eval()
    undisturbed = MODULES[form](replace(config, dropout_attention=0.0))
    undisturbed.load_state_dict(module.state_dict())
    assert_close(run(), undisturbed(x, *undisturbed.keys_and_values(x), None)[0])


@pytest.mark.parametrize("form", FORMS)
def test_without_the_factor_the_scores_are_the_plain_products(form):
    """As in T5 (Raffel et al. 2020), where W^Q has the factor 1 / sqrt(d_k) instead: here 1 / 2."""
    scaled, plain = (
        MODULES[form](ModelConfig(d_model=12, n_heads=3, positions="none", scale_attention=scale)).double()
        for scale in (True, False)
    )
    plain.load_state_dict({**scaled.state_dict(), "query.weight": scaled.query.weight.detach() / 2})
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    assert_close(*(module(x, *module.keys_and_values(x), None)[0] for module in (scaled, plain)))


def test_whole_weights_are_dropped_and_the_mean_over_many_masks_is_the_output_without():
    """What a dropped token would have given is missing; the others are scaled, so that nothing changes on average."""
    queries, keys, _ = (x.detach() for x in random_heads(1, 4, 4))
    values = torch.eye(4, dtype=torch.float64).expand(2, 3, 4, 4)  # the output is the weights
    expected = fused_attention(queries, keys, values, None, None, 0.5)
    torch.manual_seed(0)
    n = 10_000
    repeated = [x.repeat_interleave(n, dim=0) for x in (queries, keys, values)]
    outputs = fused_attention(*repeated, None, None, 0.5, 0.2).unflatten(0, (2, n))  # (2, n, 3, 1, 4)
    dropped = round(0.2 * LEVELS) / LEVELS
    whole = (expected / (1 - dropped))[:, None]
    assert ((outputs == 0) | torch.isclose(outputs, whole.expand_as(outputs))).all()
    deviation = expected * math.sqrt(dropped / (1 - dropped) / n)
    assert ((outputs.mean(dim=1) - expected).abs() < 4.5 * deviation).all()


def make_cache(rows: int = 3, max_length: int = 4) -> KeyValueCache:
    torch.manual_seed(0)
    cross = [(torch.randn(rows, 2, 5, 3), torch.randn(rows, 2, 5, 3)) for _ in range(2)]
    return KeyValueCache(cross, [torch.empty(2, rows, 2, max_length, 3) for _ in cross], torch.rand(rows, 5) < 0.5)


def test_the_cache_returns_all_tokens_so_far_layer_by_layer():
    cache = make_cache()
    tokens = torch.randn(2, 3, 2, 4, 3)  # layer, row, head, token, d_k
    for step in range(4):
        for layer in range(2):
            new = tokens[layer, :, :, step : step + 1]
            keys, values = cache.append(layer, new, -new)
            assert keys.equal(tokens[layer, :, :, : step + 1]) and values.equal(-keys)
        cache.length += 1


def test_rows_of_the_cache_can_be_repeated_dropped_and_exchanged():
    cache = make_cache()
    first = torch.randn(3, 2, 1, 3)
    cache.append(0, first, first)
    cache.length = 1
    (cross_keys, cross_values), source_mask, rows = cache.cross[1], cache.source_mask, torch.tensor([2, 0, 0, 2])
    cache.reorder(rows)
    assert cache.cross[1][0].equal(cross_keys[rows]) and cache.cross[1][1].equal(cross_values[rows])
    assert cache.source_mask.equal(source_mask[rows])
    second = torch.randn(4, 2, 1, 3)
    keys, values = cache.append(0, second, -second)
    assert keys.equal(torch.cat([first[rows], second], dim=2))
    assert values.equal(torch.cat([first[rows], -second], dim=2))


def test_beams_that_change_places_leave_the_cross_attentions_part_alone():
    cache = make_cache()
    first = torch.randn(3, 2, 1, 3)
    cache.append(0, first, first)
    cache.length = 1
    cross, rows = cache.cross, torch.tensor([1, 1, 0])
    cache.reorder(rows, same_sources=True)
    assert cache.cross is cross
    assert cache.own[0][0][:, :, :1].equal(first[rows])


def test_a_cache_of_one_layer_has_its_room():
    cache = KeyValueCache([], [torch.empty(2, 3, 2, 4, 3)], torch.ones(3, 5, dtype=torch.bool))
    assert (cache.max_length, cache.length) == (4, 0)


def test_a_full_cache_says_so():
    cache = make_cache(max_length=2)
    new = torch.randn(3, 2, 3, 3)
    with pytest.raises(ValueError, match="room for 2 tokens, not for 3"):
        cache.append(0, new, new)


def test_a_hook_sees_the_steps_of_the_written_out_form_and_changes_nothing():
    torch.manual_seed(0)
    attention = MultiHeadAttention(ModelConfig(d_model=12, n_heads=3)).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    keys, values = attention.keys_and_values(x)
    before, weights = attention(x, keys, values, None, causal=True)
    seen = {}
    attention.see.register_forward_hook(lambda _, inputs, output: seen.setdefault(inputs[0], output))
    after, _ = attention(x, keys, values, None, causal=True)
    assert torch.equal(before, after)
    assert list(seen) == ["queries", "keys", "values", "scores", "weights", "heads"]
    assert_close(seen["weights"], weights)
    assert_close(attention.output(seen["heads"].transpose(1, 2).flatten(2)), after)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    assert seen["scores"][..., future].abs().max() < 1e3  # shown before the mask
    assert (seen["weights"][..., future] == 0).all()


def test_the_fused_form_is_written_out_where_somebody_looks_and_hook_points_have_no_weights():
    attention = FusedAttention(ModelConfig(d_model=12, n_heads=3))
    x = torch.randn(1, 4, 12)
    fused, _ = attention(x, *attention.keys_and_values(x), None, causal=True)
    names = []
    attention.see.register_forward_hook(lambda _, inputs, output: names.append(inputs[0]))
    written_out, _ = attention(x, *attention.keys_and_values(x), None, causal=True)
    assert_close(written_out, fused)
    assert names == ["queries", "keys", "values", "scores", "weights", "heads"]
    assert {name.split(".")[0] for name in attention.state_dict()} == {"query", "key", "value", "output"}
