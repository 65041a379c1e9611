"""The whole reference against the PyTorch network; teaching/the_math/reference_check.py says what is compared how."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model import decoding
from model.config import PRESETS, preset
from model.fast import make_network
from model.numpy_reference.decoding import greedy
from model.numpy_reference.heads import mlm_loss
from model.numpy_reference.initialisation import initialise, weight_shapes
from model.numpy_reference.linear import part
from model.numpy_reference.training_step import loss_and_gradients, training_step
from model.numpy_reference.transformer import encode, forward
from teaching.the_math.reference_check import (
    LIMITS,
    SIZES,
    SPECIAL,
    difference_error,
    forward_error,
    gradient_error,
    gradients_of,
    numpy_batch,
    numpy_weights,
    small_batch,
    small_model,
    ten_steps_error,
    worst,
)
from training.losses import mlm_loss as torch_mlm_loss

ROOT = Path(__file__).resolve().parents[3]
VARIANTS = {
    **{name: (name, {}) for name in PRESETS},
    "ALiBi": ("modern", {"positions": "alibi"}),
    "no positions": ("modern", {"positions": "none"}),
    "sinusoids, pre-norm": ("vaswani2017", {"norm_position": "pre", "tie_embeddings": False}),
    "rotary, post-norm, biases": ("modern", {"norm_position": "post", "norm": "layer", "biases": True}),
    "LayerNorm without bias, gated GELU": ("modern", {"norm": "layer", "feed_forward": "geglu"}),
    "learned positions, normalised embeddings": ("modern", {"positions": "learned", "norm_embeddings": True}),
    "BART's quirks": ("bart", {"position_offset": 2, "logits_bias": True, "feed_forward": "gelu_tanh"}),
    "Marian's": ("vaswani2017", {"sinusoid_layout": "halves", "feed_forward": "swish", "logits_bias": True}),
    "T5's, wide heads": ("t5_v1_1", {"d_kv": 6, "n_heads": 3}),
    "nn.Transformer's": ("vaswani2017", {"final_norm": True, "tie_embeddings": False}),
    "copy head": ("modern", {"copy_head": True}),
    "copy head, T5": ("t5", {"copy_head": True}),
    "readable": ("bart", {"speed": "readable"}),
}
SMALLEST = {**SIZES, "n_encoder_layers": 1, "n_decoder_layers": 1}


@pytest.fixture(params=VARIANTS)
def config(request):
    name, changes = VARIANTS[request.param]
    return preset(name, **{**SIZES, **changes})


def test_the_reference_needs_numpy_alone():
    code = (
        "import sys, pkgutil, importlib, model.numpy_reference as package\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        "    importlib.import_module(f'model.numpy_reference.{module.name}')\n"
        "print('torch' in sys.modules, len(list(pkgutil.iter_modules(package.__path__))))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded, n_modules = result.stdout.split()
    assert loaded == "False" and int(n_modules) >= 10


def test_the_forward_pass_equals_pytorch(config):
    assert forward_error(small_model(config), small_batch(config.vocab_size)) < LIMITS["forward"]


def test_every_gradient_equals_autograd(config):
    assert gradient_error(small_model(config), small_batch(config.vocab_size)) < LIMITS["gradients"]


@pytest.mark.parametrize("learn_padding", [False, True])
def test_padding_that_the_decoder_starts_with_is_taught_where_pytorch_teaches_it(learn_padding):
    """T5's decoder starts with padding; elsewhere padding is never an input that counts."""
    model = small_model(preset("t5_v1_1", **{**SMALLEST, "learn_padding": learn_padding}))
    batch = small_batch(model.config.vocab_size)
    batch.decoder_input[:, 0] = SPECIAL.pad_id
    assert gradients_of(model, batch)["embedding.weight"][SPECIAL.pad_id].any() == learn_padding
    assert gradient_error(model, batch) < LIMITS["gradients"]


def test_weights_after_ten_steps_are_those_of_the_training_loop(config):
    model, batch = small_model(config), small_batch(config.vocab_size)
    before = numpy_weights(model)
    assert ten_steps_error(model, batch) < LIMITS["ten steps"]
    assert worst(before, numpy_weights(model)) > 1e-3  # they did move


@pytest.mark.parametrize("copy_head", [False, True])
def test_unless_it_is_told_otherwise_a_step_smooths_nothing_and_clips_the_gradient_to_one(copy_head):
    config, applied = preset("modern", **{**SMALLEST, "copy_head": copy_head}), {}
    model, batch = small_model(config), small_batch(config.vocab_size)
    optimizer = SimpleNamespace(update=lambda weights, gradients, rate: applied.update(gradients))
    loss, norm = training_step(numpy_batch(batch), numpy_weights(model), optimizer, config, SPECIAL.pad_id, 0.1)
    log_probs = model(batch.source, batch.source_mask, batch.decoder_input)
    chosen = log_probs.gather(-1, batch.target[..., None])[..., 0][batch.target_mask]
    assert loss == pytest.approx(-chosen.mean().item())
    assert loss == loss_and_gradients(numpy_batch(batch), numpy_weights(model), config, SPECIAL.pad_id)[0]
    assert norm > 1.1  # so that there is something to clip
    assert sum((gradient**2).sum() for gradient in applied.values()) ** 0.5 == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_every_gradient_equals_central_differences(name):
    assert difference_error(preset(name, **SMALLEST)) < LIMITS["differences"]


def test_a_wrong_gradient_would_be_noticed(monkeypatch):
    monkeypatch.setattr("model.numpy_reference.attention.softmax_backward", lambda d_probs, probs: d_probs * probs)
    config = preset("vaswani2017", **SMALLEST)
    assert gradient_error(small_model(config), small_batch(config.vocab_size)) > 1e-4
    assert difference_error(config) > 1e-4


def test_gradients_of_activations_have_the_names_of_their_values():
    config = preset("vaswani2017", **{**SIZES, "speed": "readable"})
    model, batch = small_model(config), small_batch(config.vocab_size)
    seen = []
    hook = model.encoder[1].self_attention.query.register_forward_hook(
        lambda module, inputs, output: (output.retain_grad(), seen.append(output))[1]
    )
    gradients_of(model, batch)
    hook.remove()
    *_, saved, d_saved = loss_and_gradients(numpy_batch(batch), numpy_weights(model), config, SPECIAL.pad_id, 0.1)
    inside = d_saved["encoder"]["layers"][1]["self_attention"]["inside"]
    truth = model.encoder[1].self_attention.split(seen[0].grad).numpy()
    np.testing.assert_allclose(inside["queries"], truth, atol=1e-14)
    np.testing.assert_allclose(inside["scores"].sum(axis=-1), 0, atol=1e-15)
    assert set(inside) <= set(saved["encoder"]["layers"][1]["self_attention"]["inside"])


def names(record):
    """The names of a record, layer by layer, without its arrays."""
    if isinstance(record, list):
        return [names(one) for one in record]
    return {name: names(value) for name, value in record.items()} if isinstance(record, dict) else None


def test_the_backward_writes_nothing_into_the_forwards_record():
    config = preset("modern", **{**SIZES, "copy_head": False})
    ids, weights = numpy_batch(small_batch(config.vocab_size)), numpy_weights(small_model(config))
    forwards = forward(ids, weights, config)[1]
    *_, saved, d_saved = loss_and_gradients(ids, weights, config, SPECIAL.pad_id)
    assert names(saved) == names(forwards) | {"logits": None}
    assert set(d_saved) <= set(saved)


def test_greedy_decoding_gives_the_ids_of_the_cached_one(config):
    lengths = set()
    for seed in range(5):
        model, batch = small_model(config, seed), small_batch(config.vocab_size)
        truth = decoding.greedy(model, batch.source, batch.source_mask, SPECIAL, 9)
        ours = greedy(
            batch.source.numpy(), batch.source_mask.numpy(), numpy_weights(model), config, SPECIAL.decoder_start_id,
            SPECIAL.end_id, 9,
        )
        assert ours == truth
        lengths |= {len(ids) for ids in ours}
    assert max(lengths) > 2


@pytest.mark.parametrize("name", PRESETS)
def test_masked_language_modelling_equals_pytorch(name):
    config = preset(name, **{**SIZES, "mlm_head": True})
    model, batch = small_model(config), small_batch(config.vocab_size)
    masked = batch.source_mask & (torch.arange(7) % 2 == 0)
    states = model.encode(batch.source, batch.source_mask).detach().requires_grad_()
    total, n_tokens = torch_mlm_loss(model.mlm_head(states[masked], model.embedding.weight), batch.source[masked])
    (total / n_tokens).backward()
    weights = numpy_weights(model)
    memory = encode(batch.source.numpy(), batch.source_mask.numpy(), weights, config)[0]
    loss, d_states, d_embedding, gradients = mlm_loss(
        memory, batch.source.numpy(), masked.numpy(), weights["embedding.weight"], part(weights, "mlm_head"), config
    )
    assert abs(loss - (total / n_tokens).item()) < 1e-12
    truth = {name: weight.grad.numpy() for name, weight in model.mlm_head.named_parameters()}
    assert worst(gradients, truth) < 1e-12
    np.testing.assert_allclose(d_states, states.grad.numpy(), atol=1e-14)
    np.testing.assert_allclose(d_embedding, model.embedding.weight.grad.numpy(), atol=1e-14)


def test_random_weights_have_the_names_shapes_and_sizes_of_pytorchs(config):
    torch.manual_seed(1)
    truth = numpy_weights(small_model(config))
    assert {name: weight.shape for name, weight in truth.items()} == weight_shapes(config)
    bigger = preset(config.preset, d_model=64, vocab_size=200, mlm_head=True, copy_head=True)
    theirs = numpy_weights(make_network(bigger, pad_id=0))
    ours = initialise(bigger, 0, np.random.default_rng(1))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        if theirs[name].std() == 0:  # gains, biases, and the gate that starts by generating
            np.testing.assert_array_equal(weight, theirs[name])
        # a uniform or normal draw of n numbers: the root mean square strays by about 1/sqrt(n)
        scale = np.sqrt((theirs[name] ** 2).mean())
        assert abs(np.sqrt((weight**2).mean()) - scale) <= 4 * scale / np.sqrt(weight.size), name
