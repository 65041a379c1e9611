"""The loss of a batch by its kind, and what a step makes of several batches."""

import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy
import pytest
import torch

import train
from data.batches import collate
from data.example import IGNORE, Example
from data.objectives.autoencoding import target_autoencoding
from data.objectives.identifiers import identifier_tagging
from data.objectives.matching import description_code_matching
from data.objectives.mlm import masked_language_modelling
from data.objectives.pairs import pairs
from data.objectives.permutation import permutation_language_modelling
from data.tokenizers.tokenizer import train_tokenizer
from model.config import preset
from model.fast import make_network
from model.two_streams import two_stream_states
from training.batch_loss import batch_loss, n_predicted, n_predicted_of
from training.config import LoopConfig
from training.state import TrainingStep

EXAMPLES = [Example(f"e:{n}", f"add {n} " * (n + 1), f"x += {n}\n" * (n + 1)) for n in range(6)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.nl + e.code for e in EXAMPLES], 400)


def make_model(tokenizer, copy_head):
    torch.manual_seed(0)
    config = preset(
        "modern", vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=32, n_encoder_layers=1,
        n_decoder_layers=1, dropout=0.0, copy_head=copy_head, mlm_head=True,
        tag_head=True, match_head=True,
    )
    return make_network(config, tokenizer.pad_id)


def make_batch(tokenizer, examples, objective=pairs):
    generator = numpy.random.default_rng(0)
    items = [objective(example, tokenizer, generator) for example in examples]
    return collate(items, [example.id for example in examples], tokenizer)


@pytest.mark.parametrize("copy_head", [False, True])
def test_the_loss_is_minus_the_log_probability_that_the_model_gives_the_targets(tokenizer, copy_head):
    model, batch = make_model(tokenizer, copy_head), make_batch(tokenizer, EXAMPLES)
    with torch.no_grad():
        total, n = batch_loss(model, batch, 0.0)
        log_probs = model(batch.source, batch.source_mask, batch.decoder_input)
    expected = 0.0
    for row, length in enumerate(batch.target_mask.sum(dim=1).tolist()):
        for t in range(length):
            expected -= log_probs[row, t, batch.target[row, t]].item()
    assert n == n_predicted(batch) == int(batch.target_mask.sum())
    assert total.item() == pytest.approx(expected, rel=1e-5)


def matching(example, tokenizer, generator):
    return description_code_matching(example, tokenizer, generator, EXAMPLES)


EVERY_KIND = [
    pairs, masked_language_modelling, identifier_tagging, matching, permutation_language_modelling, target_autoencoding,
]


@pytest.mark.parametrize("objective", EVERY_KIND)
def test_one_batch_costs_what_its_examples_cost_alone(tokenizer, objective):
    model = make_model(tokenizer, copy_head=True)
    generator = numpy.random.default_rng(0)
    items = [objective(example, tokenizer, generator) for example in EXAMPLES]
    together, n = batch_loss(model, collate(items, ["e"] * 6, tokenizer), 0.1)
    alone = [batch_loss(model, collate([item], ["e"], tokenizer), 0.1) for item in items]
    assert n == sum(count for _, count in alone) == sum(map(n_predicted_of, items))
    assert together.item() == pytest.approx(sum(loss.item() for loss, _ in alone), rel=1e-5)


def test_only_masked_places_enter_the_mlm_loss(tokenizer):
    model, batch = make_model(tokenizer, False), make_batch(tokenizer, EXAMPLES, masked_language_modelling)
    total, n = batch_loss(model, batch, 0.0)
    states = model.encode(batch.source, batch.source_mask)
    log_probs = model.mlm_head(states, model.embedding.weight).log_softmax(-1)
    places = (batch.labels != IGNORE).nonzero().tolist()
    expected = -sum(log_probs[row, s, batch.labels[row, s]].item() for row, s in places)
    assert n == len(places) == n_predicted(batch)
    assert total.item() == pytest.approx(expected, rel=1e-5)


def a_step(model, batches):
    """Loss, gradient norm and weights after train.take_step over these batches as one step."""
    model = copy.deepcopy(model)
    loop = LoopConfig(clip_norm=0.0, label_smoothing=0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    run = SimpleNamespace(model=model, device=torch.device("cpu"), position=SimpleNamespace(step=1), ranks=None)
    phase = SimpleNamespace(
        loop=loop, optimizer=optimizer, average=None, gradient=None
    )
    loss, norm = train.take_step(run, phase, TrainingStep.of(batches), 0.5)
    return loss, norm, [weight.detach() for weight in model.parameters()]


def test_accumulated_batches_of_different_lengths_make_the_step_of_one_batch(tokenizer):
    model = make_model(tokenizer, copy_head=True)
    one = a_step(model, [make_batch(tokenizer, EXAMPLES)])
    parts = a_step(model, [make_batch(tokenizer, EXAMPLES[:5]), make_batch(tokenizer, EXAMPLES[5:])])
    assert one[:2] == pytest.approx(parts[:2], rel=1e-5)
    for expected, got in zip(one[2], parts[2], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("objective", [identifier_tagging, matching])
def test_a_binary_loss_is_minus_the_log_probability_of_the_labels_that_are_asked_for(tokenizer, objective):
    model, batch = make_model(tokenizer, False), make_batch(tokenizer, EXAMPLES, objective)
    total, n = batch_loss(model, batch, 0.1)
    states = model.encode(batch.source, batch.source_mask)
    expected, places = 0.0, (batch.labels != IGNORE).nonzero().tolist()
    for row, place in places:
        if objective is identifier_tagging:
            probability = torch.sigmoid(model.tag_head(states[row, place][None]))[0].item()
        else:
            alone = batch.source[row][batch.source_mask[row]][None]  # (1, S), without padding
            mask = torch.ones_like(alone, dtype=torch.bool)
            logit = model.match_head(model.encode(alone, mask), model.embedding(alone), alone, mask)
            probability = torch.sigmoid(logit)[0].item()
        expected -= math.log(probability if batch.labels[row, place] == 1 else 1 - probability)
    assert n == n_predicted(batch) == len(places) > 0
    assert total.item() == pytest.approx(expected, rel=1e-4)


def test_only_tokens_with_a_rank_enter_the_permutation_loss(tokenizer):
    model, batch = make_model(tokenizer, True), make_batch(tokenizer, EXAMPLES, permutation_language_modelling)
    total, n = batch_loss(model, batch, 0.0)
    assert n == n_predicted(batch) == int((batch.labels > 0).sum())
    states = two_stream_states(
        model, batch.decoder_input, batch.labels, model.encode(batch.source, batch.source_mask), batch.source_mask
    )
    log_probs = model.logits(states).log_softmax(-1)
    places = (batch.labels > 0).nonzero().tolist()
    assert total.item() == pytest.approx(-sum(log_probs[r, t, batch.target[r, t]].item() for r, t in places), rel=1e-5)


@pytest.mark.parametrize("speed", ["fast", "readable"])
@pytest.mark.parametrize("copy_head", [False, True])
def test_autoencoding_teaches_the_decoder_what_pairs_would_and_the_encoder_nothing(tokenizer, copy_head, speed):
    model = make_model(tokenizer, copy_head)
    model = make_network(replace(model.config, speed=speed, tie_embeddings=False), tokenizer.pad_id)
    batch = make_batch(tokenizer, EXAMPLES, target_autoencoding)
    gradients = {}
    for kind in ("autoencoding", "seq2seq"):
        model.zero_grad()
        batch_loss(model, replace(batch, kind=kind), 0.1)[0].backward()
        gradients[kind] = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    of_encoder = {name for name in gradients["seq2seq"] if name.startswith("encoder")}
    assert of_encoder and gradients["autoencoding"].keys() == gradients["seq2seq"].keys() - of_encoder
    for name, gradient in gradients["autoencoding"].items():
        if name != "embedding.weight":  # the encoder reads through it too
            torch.testing.assert_close(gradient, gradients["seq2seq"][name])
    source_only = set(range(tokenizer.vocab_size)) - set(batch.decoder_input.flatten().tolist())
    assert not gradients["autoencoding"]["embedding.weight"][sorted(source_only)].any()
