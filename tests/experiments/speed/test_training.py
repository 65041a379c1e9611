"""Every library is asked for the same step."""

import importlib.util

import pytest
import torch

from experiments.speed.shape import Shape, our_config, step_flops
from experiments.speed.training import PEERS_PAD_ID, TRAINERS, Pairs, random_pairs
from training.flops import forward_flops

TINY = Shape(
    d_model=16, n_heads=2, n_layers=1, d_ff=32, vocab_size=64, batch=2, source_length=8, target_length=6, dropout=0.1
)
PACKAGES = {"BART": "transformers", "Marian": "transformers", "T5": "transformers", "x-transformers": "x_transformers",
            "Joey NMT": "joeynmt"}  # fmt: skip


def make(name, shape=TINY):
    package = PACKAGES.get(name)
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f'{package} is not installed (pip install -e ".[bench]")')
    torch.manual_seed(0)
    return TRAINERS[name](shape)


def test_random_pairs_are_the_same_each_time_and_hold_no_special_id():
    pairs = random_pairs(TINY)
    assert pairs.source.shape == (2, 8) and pairs.labels.shape == pairs.decoder_input.shape == (2, 6)
    assert min(pairs.source.min(), pairs.labels.min()) >= 5 and max(pairs.source.max(), pairs.labels.max()) < 64
    assert (random_pairs(TINY).source == pairs.source).all() and pairs.source_mask.all()


def test_our_dropout_stands_where_bart_has_it():
    config = our_config(Shape(dropout=0.25))
    assert (config.dropout, config.dropout_attention, config.dropout_feed_forward) == (0.25, 0.25, 0.0)
    assert (config.norm_position, config.feed_forward, config.tie_embeddings) == ("post", "gelu", True)
    assert our_config(Shape(drop_attention=False)).dropout_attention == 0.0


@pytest.mark.parametrize("name", ["BART", "Marian", "nn.Transformer"])
def test_what_counts_as_a_peer_has_the_same_size(name):
    shape = Shape(d_model=64, n_heads=2, n_layers=2, d_ff=128, vocab_size=2000)
    ours, peer = (sum(weight.numel() for weight in make(one, shape).model.parameters()) for one in ("ours", name))
    # Learned positions are rows of a table in ours; Marian computes them, nn.Transformer has a second final norm.
    assert abs(ours - peer) <= 2 * 1024 * 64 + 4 * 64


@pytest.mark.parametrize("name", ["nn.Transformer", "BART", "Marian", "T5", "x-transformers"])
def test_a_peer_learns_the_batch_and_says_what_is_different(name):
    trainer = make(name)
    pairs = random_pairs(TINY)
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    trainer.step(pairs)
    assert any((old != new).any() for old, new in zip(before, trainer.model.parameters()))
    assert bool(trainer.difference) == (name in ("T5", "x-transformers"))


@pytest.mark.parametrize("name", ["ours", "nn.Transformer", "BART", "Marian", "T5"])
def test_padding_of_a_source_changes_no_step(name):
    """Peers are told of padding: shape B would be another task otherwise."""
    shape = Shape(**{**vars(TINY), "dropout": 0.0})
    pairs = random_pairs(shape)
    padded = Pairs(
        torch.cat((pairs.source, torch.full((2, 3), PEERS_PAD_ID)), dim=1),
        torch.cat((pairs.source_mask, torch.zeros(2, 3, dtype=torch.bool)), dim=1),
        torch.cat((pairs.decoder_input, torch.full((2, 2), PEERS_PAD_ID)), dim=1),
        torch.cat((pairs.labels, torch.full((2, 2), -100)), dim=1),
    )
    changed = []
    for batch in (pairs, padded):
        trainer = make(name, shape)
        trainer.step(batch)
        changed.append(torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()]))
    # AdamW's first step is the sign of the gradient: where that is zero but for rounding, the sign may differ.
    assert ((changed[0] - changed[1]).abs() > 1e-6).double().mean() < 0.01


def test_flops_of_a_step_are_three_times_the_forward_pass_of_every_pair():
    assert step_flops(TINY) == 2 * 3 * forward_flops(our_config(TINY), 8, 6)
