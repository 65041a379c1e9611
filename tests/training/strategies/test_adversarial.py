"""Adversarial passes shift the source's embeddings, and nothing else, as far and in the direction that they say."""

import pytest
import torch

from training.batch_loss import batch_loss
from training.strategies.adversarial import n_passes, passes, project, unit
from training.strategies.config import AdversaryConfig


def watch(model, batch, adversary):
    """(delta of each pass, loss of each pass): the loop's part, with a hook that sees what is embedded."""
    plain = model.embedding(batch.source).detach()
    deltas, losses = [], []
    embed, seen = model.embed, []

    def spy(ids, *more):
        if ids is batch.source:
            seen.append(model.embedding(ids).detach())
        return embed(ids, *more)

    model.embed = spy
    for share in passes(model, batch, adversary):
        loss, n = batch_loss(model, batch, 0.0)
        (share * loss / n).backward()
        deltas.append(seen[-1] - plain)
        losses.append(loss.item() / n)
    del model.embed
    return deltas, losses


def norms(delta):
    return delta.flatten(1).norm(dim=1)


@pytest.mark.parametrize("kind", ["fgm", "noise"])
def test_the_second_pass_is_epsilon_away_and_weights_stay(make_model, batch, kind):
    model, epsilon = make_model(copy_head=True), 0.3
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    (first, second), _ = watch(model, batch, AdversaryConfig(kind, epsilon=epsilon))
    assert not first.any()
    torch.testing.assert_close(norms(second), torch.full((len(second),), epsilon), rtol=1e-4, atol=1e-5)
    assert not second[~batch.source_mask].any()
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert not model.embedding._forward_hooks


@pytest.mark.parametrize("kind", ["fgm", "noise", "freelb"])
def test_all_passes_have_the_same_dropout_masks_and_the_next_batch_has_others(make_model, batch, kind):
    model = make_model(dropout=0.5).train()
    adversary = AdversaryConfig(kind, epsilon=1e-9)  # as good as no shift
    _, losses = watch(model, batch, adversary)
    assert len(losses) > 1 and losses == pytest.approx([losses[0]] * len(losses), rel=1e-5)
    _, others = watch(model, batch, adversary)
    assert abs(others[0] - losses[0]) > 1e-3


def test_fgm_goes_where_the_loss_rises_fastest(make_model, batch):
    """By differences: along no other direction of the same length does the loss of a source rise more."""
    model = make_model().double()
    _, (clean, adversarial) = watch(model, batch, AdversaryConfig("fgm", epsilon=1e-3))
    rises = []
    for seed in range(20):
        torch.manual_seed(seed)
        _, (_, moved) = watch(model, batch, AdversaryConfig("noise", epsilon=1e-3))
        rises.append(moved - clean)
    assert adversarial - clean > 3 * max(rises) > 0


def test_the_gradient_is_the_mean_of_both_passes(make_model, batch):
    model, adversary = make_model(), AdversaryConfig("noise", epsilon=0.0)
    batch_loss(model, batch, 0.0)[0].backward()
    alone = model.decoder[0].self_attention.query.weight.grad.clone()
    model.zero_grad()
    for share in passes(model, batch, adversary):
        (share * batch_loss(model, batch, 0.0)[0]).backward()
    torch.testing.assert_close(model.decoder[0].self_attention.query.weight.grad, alone)


def test_freelb_ascends_inside_its_ball(make_model, batch):
    torch.manual_seed(0)
    adversary = AdversaryConfig("freelb", epsilon=0.4, ascents=4, ascent_rate=0.15)
    deltas, losses = watch(make_model(), batch, adversary)
    assert len(deltas) == n_passes(adversary) == 4 and losses == sorted(losses)
    assert all((norms(delta) <= 0.4 + 1e-5).all() for delta in deltas)
    moved = deltas[1] - deltas[0]  # not yet at the border
    torch.testing.assert_close(norms(moved), torch.full((len(moved),), 0.15), rtol=1e-3, atol=1e-5)
    assert not deltas[0][~batch.source_mask].any()


def test_without_an_adversary_there_is_one_pass(make_model, batch):
    deltas, _ = watch(make_model(), batch, AdversaryConfig())
    assert len(deltas) == 1 and not deltas[0].any()


def test_lengths_by_hand():
    delta = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])  # (2, 2, 2), norms 5 and 0
    assert unit(delta)[0].tolist() == [[0.6000000238418579, 0.0], [0.0, 0.800000011920929]] and not unit(delta)[1].any()
    torch.testing.assert_close(project(delta, 2.5), delta / 2)
    assert torch.equal(project(delta, 6.0), delta) and not project(delta, 0.0).any()
