"""A fast network is the plain one under faster classes: the same tensors, the same names, the same draws."""

import copy
from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.testing import assert_close

from model.attention import MultiHeadAttention
from model.config import PRESETS, preset
from model.decoding import SpecialIds, greedy
from model.dropout import DropoutFromBits
from model.ensemble import Ensemble
from model.fast import FastTransformer, make_fast, make_network, plain_modules, runs_as_made
from model.fused_attention import FusedAttention
from model.linear import FastLinear
from model.packed_weights import decoder_weights
from model.transformer import Transformer
from training.ema import averaged_weights, start_average
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


# Changes that leave no version behind, and changes beside the weights


def negate(tensor: torch.Tensor) -> None:
    """Change numbers where no version counts it: through NumPy, which shares their memory."""
    numbers = tensor.detach().numpy()
    numbers *= -1


def fused_step(model: Transformer) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5, fused=True)
    source = torch.tensor([[5, 6, 7]])
    (-model(source, source > 0, source).mean()).backward()
    optimizer.step()


def data_twice(model: Transformer) -> None:
    """Two replacements, so that the second may lie where the first one's forerunner lay."""
    for _ in range(2):
        weight = model.decoder[0].feed_forward.outer.weight
        weight.data = torch.randn_like(weight.data)


def head_removed(model: Transformer) -> None:
    model.decoder[0].self_attention.output.weight.data[:, :8] = 0
    model.decoder[1].feed_forward.outer.weight.data[:] = 0


def from_a_vector(model: Transformer) -> None:
    vector = nn.utils.parameters_to_vector(model.parameters()).detach()
    nn.utils.vector_to_parameters(vector, model.parameters())
    decoder_weights(model, True), decoder_weights(model, False)
    vector.mul_(-1)  # whose parts the parameters now are


def inference_update(model: Transformer) -> None:
    with torch.inference_mode():
        model.decoder[0].feed_forward.inner.weight.mul_(-1)


def assigned(model: Transformer) -> None:
    model.load_state_dict({name: -tensor for name, tensor in model.state_dict().items()}, assign=True)


def averaged(model: Transformer) -> None:
    average = {name: -weight for name, weight in start_average(model).items()}
    with averaged_weights(model, average):
        decoder_weights(model, True), decoder_weights(model, False)


def untidy(model: Transformer) -> None:
    """A matrix that is no single block of memory, changed in one number."""
    linear = model.decoder[0].feed_forward.outer
    linear.weight.data = linear.weight.data.t().contiguous().t()
    decoder_weights(model, True), decoder_weights(model, False)
    linear.weight.data[3, 5] += 50


class Negated(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return -weight


def own_forward(module: nn.Module) -> None:
    forward = module.forward
    module.forward = lambda *given: -forward(*given)


def own_method(name: str, change):
    """Hide a method of a part of the network behind a function, as those do who patch an object."""

    def patch(model: Transformer) -> None:
        part, _, method = name.rpartition(".")
        module = model.get_submodule(part)
        hidden = getattr(module, method)
        setattr(module, method, lambda *given, **named: change(hidden(*given, **named)))

    return patch


def another_kind(model: Transformer) -> None:
    class Reversed(type(model)):
        def logits(self, states: torch.Tensor) -> torch.Tensor:
            return -super().logits(states)

    model.__class__ = Reversed


def weight_beside(model: Transformer, keep) -> None:
    """A weight that is no parameter (frozen for good), changed after it was packed."""
    linear = model.decoder[0].feed_forward.outer
    weight = linear.weight.detach().clone()
    del linear.weight
    keep(linear, weight)
    greedy(model, torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.bool), SpecialIds(0, 1, 3), 2)
    linear.weight.mul_(-3)


class Doubled(type(make_network(PRESETS["modern"], 0).output)):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x) + 1


def another_class(model: Transformer) -> None:
    model.decoder[1].feed_forward.outer.__class__ = Doubled


def another_module(model: Transformer) -> None:
    model.decoder[1].feed_forward = nn.Sequential(nn.Linear(16, 16), nn.Tanh())


def hooked(name: str, change, before: bool = False):
    def add(model: Transformer) -> None:
        module = model.get_submodule(name)
        if before:
            module.register_forward_pre_hook(lambda _, inputs: tuple(change(part) for part in inputs))
        else:
            module.register_forward_hook(lambda _, inputs, output: change(output))

    return add


def first_only(output):
    return (output[0] * 0, output[1])


SEEN = {
    "w.data.mul_": lambda model: model.output.weight.data.mul_(-1),
    "w.data[...] =": head_removed,
    "a norm's gain": lambda model: model.decoder_norm.gain.data.mul_(-1),
    "NumPy": lambda model: negate(model.output.weight),
    "NumPy, an inner matrix": lambda model: negate(model.decoder[0].self_attention.query.weight),
    "NumPy, one number": lambda model: model.decoder[0].feed_forward.outer.weight.detach().numpy().fill(0.1),
    "a fused step in evaluation mode": fused_step,
    "w.data = twice": data_twice,
    "vector_to_parameters": from_a_vector,
    "in inference mode": inference_update,
    "load_state_dict(assign=True)": assigned,
    "a moving average, in and out": averaged,
    "a transposed matrix": untidy,
    "pruned": lambda model: prune.l1_unstructured(model.decoder[0].feed_forward.outer, "weight", amount=0.95),
    "pruned in rows": lambda model: prune.ln_structured(model.decoder[0].feed_forward.inner, "weight", 0.5, n=2, dim=0),
    "pruned for good": lambda model: [
        prune.l1_unstructured(model.output, "weight", amount=0.95), prune.remove(model.output, "weight")
    ],
    "parametrized": lambda model: parametrize.register_parametrization(model.output, "weight", Negated()),
    "weight norm": lambda model: parametrizations.weight_norm(
        model.decoder[0].feed_forward.outer
    ).parametrizations.weight.original0.data.mul_(-3),
    "a hook on self-attention": hooked("decoder.0.self_attention", first_only),
    "a hook on a linear layer": hooked("decoder.1.feed_forward.outer", torch.neg),
    "a hook on a norm": hooked("decoder_norm", torch.neg),
    "a hook on the output": hooked("output", torch.neg),
    "a hook on the logits": hooked("see", torch.neg),
    "a hook on the embedding": hooked("embedding", torch.neg),
    "a hook before a layer": hooked("decoder.0.feed_forward.inner", torch.neg, before=True),
    "a hook on a dropout": hooked("decoder.0.feed_forward_residual.dropout", torch.neg),
    "a hook on steps of attention": hooked("decoder.0.cross_attention.see", lambda step: step * 0),
    "a hook on steps of the encoder": hooked("encoder.0.self_attention.see", lambda step: step * 0),
    "a hook on a layer of the encoder": hooked("encoder.1", torch.neg),
    "a forward of its own": lambda model: own_forward(model.decoder[0].feed_forward.inner),
    "logits of its own": own_method("logits", torch.neg),
    "an embedding of its own": own_method("embed", torch.neg),
    "attention of its own": own_method("decoder.0.self_attention.attend", lambda given: (given[0] * 0, None)),
    "keys of its own": own_method("decoder.1.self_attention.keys_and_values", lambda given: (-given[0], given[1])),
    "a network of another class": another_kind,
    "a weight that is a buffer": lambda model: weight_beside(
        model, lambda linear, weight: linear.register_buffer("weight", weight)
    ),
    "a weight that is an attribute": lambda model: weight_beside(
        model, lambda linear, weight: setattr(linear, "weight", weight)
    ),
    "a module of another class": another_class,
    "another module": another_module,
}


@pytest.mark.parametrize("change", SEEN)
def test_after_a_change_a_fast_network_writes_what_its_modules_write(decoding, change):
    torch.manual_seed(3)
    model, before = decoding.model, decoding.outputs(decoding.model)
    SEEN[change](model)
    after = decoding.outputs(model)
    with plain_modules(model):
        assert after == decoding.outputs(model)
    assert decoding.outputs(model) == after, "and again, after it was plain for a while"
    if change != "a moving average, in and out":
        assert after != before, "the change should be one that shows"


def test_a_hook_for_all_modules_is_called_and_a_removed_one_costs_nothing(decoding):
    model, seen = decoding.model, []
    decoding.outputs(model)
    handle = torch.nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(module))
    try:
        decoding.outputs(model)
    finally:
        handle.remove()
    assert model.decoder[0].feed_forward.inner in seen and runs_as_made(model)
    hook = model.output.register_forward_hook(lambda *_: None)
    assert not runs_as_made(model)
    hook.remove()
    assert runs_as_made(model)


def test_dropout_that_is_left_on_by_itself_drops(decoding):
    """Monte Carlo dropout (Gal and Ghahramani 2016): the network in evaluation mode, its dropouts in training mode."""
    model = make_network(copy.deepcopy(decoding.model.config).__class__(
        **{**vars(decoding.model.config), "dropout": 0.5}
    ), 0).eval()  # fmt: skip
    decoding.outputs(model)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    drawn = []
    for seed in (0, 0, 1, 2):
        torch.manual_seed(seed)
        drawn.append(decoding.outputs(model))
    assert drawn[0] == drawn[1] and len({str(outputs) for outputs in drawn}) > 1


def test_repack_shows_what_nothing_else_does(decoding):
    """A number beside the weights is in the packed ones: the attention's scale is in W^Q."""
    model, before = decoding.model, decoding.outputs(decoding.model)
    for layer in model.decoder:
        layer.self_attention.scale *= -4
    model.repack()
    after = decoding.outputs(model)
    with plain_modules(model):
        assert after == decoding.outputs(model)
    assert after != before
    make_network(PRESETS["modern"], 0).repack()  # there is nothing to let go of


def test_a_plain_network_and_an_ensemble_have_it_too(tiny, decoding):
    assert tiny("modern", speed="readable").repack() is None
    decoding.outputs(decoding.model)
    Ensemble([decoding.model, tiny("modern")]).repack()
    assert not decoding.model.packed_weights


def test_a_network_that_was_copied_after_it_decoded_sees_its_own_changes(decoding):
    before = decoding.outputs(decoding.model)
    twin = copy.deepcopy(decoding.model)
    assert decoding.outputs(twin) == before and runs_as_made(twin)
    twin.output.weight.data.mul_(-1)
    assert decoding.outputs(twin) != before and decoding.outputs(decoding.model) == before
