"""Equation (6): over real tokens only, the same in both forms, and a mean that accumulation does not change."""

import math

import pytest
import torch
import torch.nn.functional as F

from data.example import IGNORE
from training.losses import copy_loss, mlm_loss, sequence_loss, sequence_loss_written_out

B, T, V = 4, 6, 11


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(B, T, V, generator=generator, dtype=torch.float64)
    target = torch.randint(0, V, (B, T), generator=generator)
    lengths = torch.tensor([6, 1, 3, 4])
    return logits, target, torch.arange(T) < lengths[:, None]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_fast_form_is_the_written_out_form(batch, smoothing):
    logits, target, mask = (x.float() if x.is_floating_point() else x for x in batch)
    fast, n_fast = sequence_loss(logits[mask], target[mask], smoothing)
    readable, n_readable = sequence_loss_written_out(logits.log_softmax(-1), target, mask, smoothing)
    torch.testing.assert_close(fast, readable)
    assert n_fast == n_readable == 14


def test_without_smoothing_the_loss_is_minus_the_log_of_the_probability_of_the_target(batch):
    logits, target, mask = batch
    expected = 0.0
    for row in range(B):
        probability = 1.0
        for t in range(int(mask[row].sum())):
            probability *= logits[row, t].softmax(-1)[target[row, t]].item()
        expected -= math.log(probability)
    assert sequence_loss_written_out(logits.log_softmax(-1), target, mask)[0].item() == pytest.approx(expected)
    assert sequence_loss(logits[mask], target[mask])[0].item() == pytest.approx(expected)


def test_smoothing_is_the_cross_entropy_with_the_smoothed_target():
    """By hand: V = 4, epsilon = 0.2, so the true token has 0.85 and each other one 0.05."""
    probabilities = torch.tensor([[0.7, 0.1, 0.1, 0.1]])
    loss, _ = sequence_loss(probabilities.log(), torch.tensor([0]), 0.2)
    assert loss.item() == pytest.approx(-0.85 * math.log(0.7) - 0.15 * math.log(0.1), rel=1e-5)


def test_padding_never_enters_the_loss_or_its_gradient(batch):
    logits, target, mask = batch
    logits.requires_grad_(True)
    loss, n = sequence_loss_written_out(logits.log_softmax(-1), target, mask, 0.1)
    (loss / n).backward()
    assert not logits.grad[~mask].any() and logits.grad[mask].any(-1).all()
    changed = target.masked_fill(~mask, 0)
    assert sequence_loss_written_out(logits.log_softmax(-1), changed, mask, 0.1)[0].item() == loss.item()


@pytest.mark.parametrize("parts", [[[0, 1], [2, 3]], [[1], [0, 2, 3]], [[0], [1], [2], [3]]])
def test_the_mean_over_real_tokens_does_not_depend_on_how_a_step_is_cut_into_batches(batch, parts):
    logits, target, mask = (x.float() if x.is_floating_point() else x for x in batch)
    weight = torch.eye(V, requires_grad=True)

    def gradient(rows_of_batches):
        weight.grad = None
        n_step = sum(int(mask[rows].sum()) for rows in rows_of_batches)
        for rows in rows_of_batches:
            loss, _ = sequence_loss(logits[rows][mask[rows]] @ weight, target[rows][mask[rows]], 0.1)
            (loss / n_step).backward()
        return weight.grad.clone()

    torch.testing.assert_close(gradient(parts), gradient([[0, 1, 2, 3]]))


def test_a_head_that_copies_nothing_has_the_loss_of_the_vocabulary_alone(batch):
    logits, target, mask = (x.float() if x.is_floating_point() else x for x in batch)
    of_target = logits.log_softmax(-1).gather(-1, target[..., None])[..., 0]
    for smoothing in (0.0, 0.1):
        mixed, n_mixed = copy_loss(of_target[mask], logits[mask], smoothing)
        plain, n_plain = sequence_loss(logits[mask], target[mask], smoothing)
        torch.testing.assert_close(mixed, plain)
        assert n_mixed == n_plain


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixture_is_smoothed_by_the_vocabularys_softmax_alone(batch, smoothing):
    """Both forms against the sum over tokens of -(1 - epsilon) log P(y) - epsilon mean over v of log softmax(v)."""
    logits, target, mask = batch
    mixture = torch.randn(B, T, V, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).log_softmax(-1)
    expected = 0.0
    for row, t in mask.nonzero().tolist():
        scores = logits[row, t].tolist()
        log_sum = math.log(sum(math.exp(score) for score in scores))
        spread = sum(score - log_sum for score in scores) / V
        expected -= (1 - smoothing) * mixture[row, t, target[row, t]].item() + smoothing * spread
    written_out, n = sequence_loss_written_out(mixture, target, mask, smoothing, logits)
    chosen = mixture.gather(-1, target[..., None])[..., 0]
    assert (written_out.item(), n) == (pytest.approx(expected), 14)
    assert copy_loss(chosen[mask], logits[mask], smoothing)[0].item() == pytest.approx(expected)


def test_a_token_that_is_copied_for_sure_costs_only_the_smoothing():
    logits = torch.zeros(2, 4)
    assert copy_loss(torch.zeros(2), logits)[0].item() == 0
    assert copy_loss(torch.zeros(2), logits, 0.25)[0].item() == pytest.approx(2 * 0.25 * math.log(4))


def test_masked_language_modelling_looks_at_masked_positions_only(batch):
    logits, target, mask = batch
    labels = target.masked_fill(~mask, IGNORE)
    loss, n = mlm_loss(logits.float(), labels)
    expected = F.nll_loss(logits[mask].log_softmax(-1), target[mask], reduction="sum")
    assert (loss.item(), n) == (pytest.approx(expected.item(), rel=1e-5), 14)


def test_a_batch_in_which_nothing_was_masked_costs_nothing():
    loss, n = mlm_loss(torch.randn(2, 3, 5), torch.full((2, 3), IGNORE))
    assert (loss.item(), n) == (0.0, 0)


@pytest.mark.parametrize("of", [sequence_loss, copy_loss])
def test_low_precision_logits_are_summed_in_float32(of):
    logits = torch.randn(64, 100).bfloat16()
    second = torch.zeros(64, dtype=torch.long) if of is sequence_loss else logits
    first = logits if of is sequence_loss else torch.randn(64).bfloat16()
    assert of(first, second, 0.1)[0].dtype == torch.float32
