"""A fast network is the plain one under faster classes: the same tensors, the same names, the same draws."""

import copy
from collections import Counter

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from model.attention import MultiHeadAttention
from model.config import preset
from model.dropout import DropoutFromBits
from model.fast import FastTransformer, make_fast, make_network, plain_modules
from model.fused_attention import FusedAttention
from model.linear import FastLinear
from model.transformer import Transformer
from training.strategies.lora import add_lora, merge_lora

SIZES = {"vocab_size": 19, "d_model": 12, "n_heads": 2, "d_ff": 20, "n_encoder_layers": 1, "n_decoder_layers": 2}
HEADS = {"copy_head": True, "mlm_head": True, "tag_head": True, "match_head": True}


def make_plain() -> Transformer:
    torch.manual_seed(0)
    return Transformer(preset("modern", **SIZES, **HEADS), pad_id=0)


def kinds(model: nn.Module) -> Counter:
    return Counter(type(module) for module in model.modules())


def tensors(model: nn.Module) -> dict[str, int]:
    """Name -> where it lies, of all parameters and buffers; tied ones under each of their names."""
    return {name: tensor.data_ptr() for name, tensor in model.state_dict(keep_vars=True).items()}


def test_making_a_network_fast_changes_classes_and_nothing_else():
    model = make_plain()
    modules, before, state = [*model.modules()], tensors(model), torch.get_rng_state()
    fast = make_fast(model)
    assert fast is model and all(one is other for one, other in zip(model.modules(), modules, strict=True))
    assert tensors(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert {FastTransformer, FastLinear, DropoutFromBits, FusedAttention} <= kinds(model).keys()
    assert not {nn.Dropout, MultiHeadAttention, Transformer} & kinds(model).keys()


def test_only_products_with_one_vector_stay_plain():
    model = make_fast(make_plain())
    plain = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    assert plain == ["copy_head.gate", "tag_head.output", "match_head.output", "match_head.weigh"]


def test_train_and_eval_mean_what_they_mean_in_torch():
    model = make_fast(make_plain())
    for call, training in ((model.eval, False), (model.train, True), (lambda: model.train(False), False)):
        assert call() is model and {module.training for module in model.modules()} == {training}


def test_the_configuration_says_which_network_is_made():
    for speed, kind in (("fast", FastTransformer), ("readable", Transformer)):
        model = make_network(preset("modern", **SIZES, speed=speed), pad_id=0)
        assert type(model) is kind


@pytest.mark.parametrize("speed", ["fast", "readable"])
def test_inside_the_context_a_network_is_plain_and_after_it_what_it_was(speed):
    model = make_network(preset("modern", **SIZES, **HEADS, speed=speed), pad_id=0).eval()
    before, where = kinds(model), tensors(model)
    with pytest.raises(KeyError), plain_modules(model):
        assert kinds(model) == kinds(make_plain())
        assert tensors(model) == where
        with plain_modules(model):
            assert type(model) is Transformer
        assert type(model) is Transformer
        copy.deepcopy(model)
        model.train()
        raise KeyError
    assert kinds(model) == before and tensors(model) == where


def test_hooks_stay_and_see_the_steps_in_the_fast_network_too(tiny, example):
    model, seen = tiny("modern", speed="fast"), []
    steps = ["queries", "keys", "values", "scores", "weights", "heads"]
    given = example.source, example.source_mask, example.decoder_input
    unwatched = model(*given)
    model.decoder[0].cross_attention.see.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    assert_close(model(*given), unwatched)
    with plain_modules(model):
        assert_close(model(*given), unwatched)
    assert seen == 2 * steps


@pytest.mark.parametrize("name", ["scores", "weights", "heads"])
def test_a_hook_replaces_a_step_of_equation_4(tiny, example, name):
    model = tiny("modern", speed="readable")
    attention = model.decoder[0].cross_attention
    given = example.source, example.source_mask, example.decoder_input
    before = model(*given)
    attention.see.register_forward_hook(lambda _, inputs, step: step + 1 if inputs[0] == name else None)
    moved = model(*given)
    if name == "scores":  # softmax does not see what all of a row have in common
        assert_close(moved, before)
    else:
        assert (moved - before).abs().max() > 1e-6


@pytest.mark.parametrize("speed", ["fast", "readable"])
def test_what_lora_puts_beside_a_matrix_works_in_both_forms(example, speed):
    torch.manual_seed(0)
    model = make_network(preset("modern", **{**SIZES, "vocab_size": 23}, speed=speed), pad_id=0).double().eval()
    before, kind = kinds(model), type(model.encoder[0].self_attention.query)
    add_lora(model, 2, 4.0)
    layer = model.encoder[0].self_attention.query
    assert isinstance(layer, kind) and type(layer) is not kind
    with torch.no_grad():
        layer.parametrizations.weight[0].b.add_(0.1)
    given = example.source % 23, example.source_mask, example.decoder_input % 23
    with plain_modules(model):
        plain = model(*given)
    learnt = model(*given)
    merge_lora(model)
    assert kinds(model) == before
    assert_close(learnt, plain)
    assert_close(model(*given), learnt)
