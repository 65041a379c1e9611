"""Packed weights are made anew when a weight has changed, and only then."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from model.config import PRESETS
from model.decoding import SpecialIds, beam_search, greedy
from model.ensemble import Ensemble
from model.fast import make_network, passed_over, plain_modules, runs_as_made
from model.packed_weights import decoder_weights, some_numbers
from model.transformer import Transformer
from training.ema import averaged_weights, start_average


@pytest.fixture
def decoding(tiny, example, special):
    """A fast network, its sources, and what it decodes."""
    model = tiny("modern").float()

    def outputs(model: Transformer) -> list:
        inputs = example.source, example.source_mask, special, 6
        (one,) = greedy(model, example.source[:1], example.source_mask[:1], special, 6)  # a step of one row
        searched = [[h.ids for h in hypotheses] for hypotheses in beam_search(model, *inputs, beam=3, n_best=3)]
        return [greedy(model, *inputs), one, searched]

    def fresh(model: Transformer) -> Transformer:
        """A network that has never decoded, with the same weights."""
        other = make_network(model.config, model.pad_id).eval()
        other.load_state_dict(model.state_dict())
        return other

    return SimpleNamespace(model=model, example=example, outputs=outputs, fresh=fresh)


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
