"""Copy scores added to the logits: by hand, in training and in decoding alike, and never at padding."""

import pytest
import torch

from data.batches import collate
from data.example import Item
from model.config import preset
from model.decoding import SpecialIds, beam_search, greedy
from model.fast import make_network
from model.heads import with_copy_scores
from training.batch_loss import batch_loss
from training.strategies.distillation import Teacher, distillation_loss

SPECIAL = SpecialIds(0, 1, 3, ())


def make(speed="fast"):
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_heads": 2, "d_ff": 32, "n_encoder_layers": 1, "n_decoder_layers": 1, "dropout": 0.0}
    config = preset("modern", vocab_size=40, copy_head=True, copy_form="scores", speed=speed, **sizes)
    model = make_network(config, 0)
    with torch.no_grad():
        model.copy_head.query.weight.mul_(8)  # large scores: a mistake shows
    return model


def make_batch():
    class Ids:
        pad_id, decoder_start_id = 0, 3

    items = [Item([7, 8, 7, 1], [8, 9, 1]), Item([5, 1], [5, 6, 7, 8, 1])]
    return collate(items, ["a", "b"], Ids)


def test_a_token_gets_the_sum_of_its_scores_and_padding_nothing():
    logits = torch.zeros(1, 2, 5)
    scores = torch.tensor([[[1.0, 2.0, 4.0, 9.0], [0.5, 0.0, -1.0, 9.0]]])
    source, mask = torch.tensor([[3, 2, 3, 0]]), torch.tensor([[True, True, True, False]])
    added = with_copy_scores(logits, scores, source, mask)
    assert added.tolist() == [[[0.0, 0.0, 2.0, 5.0, 0.0], [0.0, 0.0, 0.0, -0.5, 0.0]]]


@pytest.mark.parametrize("speed", ["fast", "readable"])
def test_the_loss_is_that_of_equation_3_token_by_token(speed):
    model, batch = make(speed), make_batch()
    loss, n = batch_loss(model, batch, 0.0)
    memory = model.encode(batch.source, batch.source_mask)
    states = model.decode(batch.decoder_input, memory, batch.source_mask)
    expected = 0.0
    for row in range(2):
        for t in range(int(batch.target_mask[row].sum())):
            logits = model.output(states[row, t]).clone()
            for j in range(int(batch.source_mask[row].sum())):
                query = model.copy_head.query.weight @ states[row, t]
                key = model.copy_head.key.weight @ memory[row, j]
                logits[batch.source[row, j]] += query @ key / 16**0.5
            expected -= logits.log_softmax(-1)[batch.target[row, t]].item()
    assert n == int(batch.target_mask.sum())
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    loss.backward()
    assert model.copy_head.query.weight.grad.abs().max() > 0


def test_smoothing_is_over_the_final_distribution():
    model, batch = make(), make_batch()
    log_probs = model(batch.source, batch.source_mask, batch.decoder_input)  # (B, T, V)
    chosen = log_probs.gather(-1, batch.target[..., None])[..., 0]
    expected = -(0.9 * chosen + 0.1 * log_probs.mean(-1))[batch.target_mask].sum()
    torch.testing.assert_close(batch_loss(model, batch, 0.1)[0], expected, rtol=1e-4, atol=1e-4)
    loss = distillation_loss(model, Teacher(model), batch, 0.1, 0.0, 1.0)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)


def test_fast_decoding_gives_what_the_readable_one_gives():
    fast, readable, batch = make("fast").eval(), make("readable").eval(), make_batch()
    given = (batch.source, batch.source_mask, SPECIAL, 6)
    assert greedy(fast, *given) == greedy(readable, *given)
    for one, other in zip(beam_search(fast, *given, 3, n_best=3), beam_search(readable, *given, 3, n_best=3)):
        assert [h.ids for h in one] == [h.ids for h in other]
        assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=1e-4)


def test_padding_of_the_source_changes_nothing():
    model = make().eval()
    source, target = torch.tensor([[7, 8, 1]]), torch.tensor([[3, 7]])
    padded, mask = torch.tensor([[7, 8, 1, 0, 0]]), torch.tensor([[True, True, True, False, False]])
    alone = model(source, torch.ones_like(source, dtype=torch.bool), target)
    torch.testing.assert_close(model(padded, mask, target), alone, rtol=1e-4, atol=1e-5)


def test_the_numpy_network_says_that_it_knows_the_mixture_alone():
    from model.numpy_reference.transformer import encode

    model, batch = make(), make_batch()
    with pytest.raises(ValueError, match="leave out --model.copy_form"):
        encode(batch.source.numpy(), batch.source_mask.numpy(), {}, model.config)
