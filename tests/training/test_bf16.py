"""Training in bfloat16 on a CPU: the products are narrow, everything that adds up is not."""

from types import SimpleNamespace

import numpy
import pytest
import torch

import train
from data.batches import collate
from data.example import Example
from data.objectives.mlm import masked_language_modelling
from data.objectives.pairs import pairs
from data.tokenizers.tokenizer import train_tokenizer
from model.config import preset
from model.dropout import DropoutFromBits
from model.fast import make_network
from model.heads import copied_log_probs
from system.device import autocast, has_bf16
from training import chunked_loss
from training.batch_loss import batch_loss
from training.config import LoopConfig
from training.optimizer import make_optimizer
from training.state import TrainingStep

CPU = torch.device("cpu")
EXAMPLES = [Example(f"e:{n}", f"add {n} " * (n + 1), f"x += {n}\n" * (n + 1)) for n in range(8)]
pytestmark = [
    pytest.mark.skipif(not has_bf16(CPU), reason="this processor has no bfloat16 instructions"),
    pytest.mark.filterwarnings("error"),  # torch warns, once, where a norm's input is narrower than its gain
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.nl + e.code for e in EXAMPLES], 400)


@pytest.fixture(scope="module", params=[pairs, masked_language_modelling])
def batch(request, tokenizer):
    items = [request.param(example, tokenizer, numpy.random.default_rng(0)) for example in EXAMPLES]
    return collate(items, [example.id for example in EXAMPLES], tokenizer)


def make_model(tokenizer, name, **changes):
    torch.manual_seed(0)
    config = preset(
        name, vocab_size=tokenizer.vocab_size, d_model=32, n_heads=2, d_ff=64, n_encoder_layers=1, n_decoder_layers=1,
        mlm_head=True, **{"copy_head": True, "dropout": 0.1, "dropout_attention": 0.1, **changes},
    )
    return make_network(config, tokenizer.pad_id).train()


def losses_of(tokenizer, batch, bf16, n_steps=6):
    """The loss of each of a few steps, and the model after them."""
    model = make_model(tokenizer, "modern")
    loop = LoopConfig(bf16=bf16)
    run = SimpleNamespace(model=model, device=CPU, ranks=None)
    phase = SimpleNamespace(
        loop=loop, optimizer=make_optimizer(model, loop), average=None, gradient=None
    )
    return [train.take_step(run, phase, TrainingStep.of([batch]), 3e-3)[0] for _ in range(n_steps)], model


def test_a_few_steps_go_as_in_float32_and_the_weights_stay_float32(tokenizer, batch):
    losses, model = losses_of(tokenizer, batch, bf16=True)
    exact, _ = losses_of(tokenizer, batch, bf16=False)
    assert losses[-1] < losses[0] - 0.5
    assert losses == pytest.approx(exact, rel=0.01) and losses != exact
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


@pytest.mark.parametrize("speed", ["fast", "readable"])
@pytest.mark.parametrize("name", ["modern", "bart", "t5", "t5_v1_1", "vaswani2017"])
def test_the_gradient_points_where_that_of_float32_does(tokenizer, batch, monkeypatch, name, speed):
    monkeypatch.setattr(chunked_loss, "LOGITS_AT_ONCE", 64 * tokenizer.vocab_size)  # several parts, one cast
    model, found = make_model(tokenizer, name, speed=speed, copy_head=name != "t5"), {}
    for bf16 in (False, True):
        torch.manual_seed(1)  # the same dropout
        model.zero_grad(set_to_none=True)
        with autocast(CPU, bf16):
            loss, n = batch_loss(model, batch, 0.1)
        loss.backward()
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        assert all(gradient.dtype == torch.float32 for gradient in (loss, *gradients))
        found[bf16] = loss.item() / n, torch.cat([gradient.flatten() for gradient in gradients])
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-3)
    assert torch.cosine_similarity(found[True][1], found[False][1], dim=0).item() > 0.99
    assert found[True][1].norm().item() == pytest.approx(found[False][1].norm().item(), rel=0.02)


def test_dropout_divides_by_the_share_it_keeps_and_not_by_its_nearest_bfloat16():
    """1 / 0.9 is 1.1111, the nearest bfloat16 1.1094: every sum over many values would be 0.16% too small."""
    x = torch.rand(2**16).add_(1).bfloat16()
    dropped = DropoutFromBits(0.1).train()(x)
    kept = dropped != 0
    assert (dropped[kept].double() / x[kept].double()).mean().item() == pytest.approx(1 / 0.9, rel=2e-4)


def test_the_copied_probabilities_add_up_to_one(tokenizer):
    """Each is a difference of two logarithms, which is worth nothing when both are rounded to three digits."""
    head = make_model(tokenizer, "modern").copy_head
    with torch.no_grad():
        head.query.weight.mul_(100)  # scores as far apart as a trained head has them
    states, memory = torch.randn(2, 3, 32), torch.randn(2, 7, 32)
    source = torch.arange(7).expand(2, 7)  # all different
    with torch.no_grad(), autocast(CPU, bf16=True):
        pointer = head(states, memory, torch.ones(2, 7, dtype=torch.bool))
        log_probs = [copied_log_probs(pointer, source, torch.full((2, 3), token)) for token in range(7)]
    assert pointer.scores.abs().max() > 30
    torch.testing.assert_close(torch.stack(log_probs).float().exp().sum(0), torch.ones(2, 3), rtol=0, atol=1e-4)
