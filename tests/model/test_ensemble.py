"""Ensembles against one network, and against both networks' whole forward passes."""

import pytest
import torch
from torch.nn import functional as F

from model.decoding import beam_search, greedy
from model.ensemble import Ensemble

N_NEW = 7


def outputs(model, example, special) -> tuple:
    """Greedy outputs and a beam's, with scores to compare."""
    sources = example.source, example.source_mask, special, N_NEW
    hypotheses = [one for of_one in beam_search(model, *sources, 3, n_best=3) for one in of_one]
    return greedy(model, *sources), [one.ids for one in hypotheses], [one.score for one in hypotheses]


def test_a_network_beside_itself_is_that_network(model, example, special):
    *texts, scores = outputs(model, example, special)
    *texts_of_two, scores_of_two = outputs(Ensemble([model, model]), example, special)
    assert texts_of_two == texts and scores_of_two == pytest.approx(scores)


def test_an_ensemble_of_one_is_that_network(tiny, example, special):
    model = tiny("modern")
    *texts, scores = outputs(model, example, special)
    *texts_of_one, scores_of_one = outputs(Ensemble([model]), example, special)
    assert texts_of_one == texts and scores_of_one == pytest.approx(scores)


@pytest.fixture
def pair(tiny):
    """Two networks with nothing in common but the vocabulary: one steps fast, one through the readable modules."""
    return tiny("modern", copy_head=True), tiny("bart", speed="readable", d_model=24, n_encoder_layers=1)


def teacher_forced(pair, source, ids, special):
    """One output's tokens (T,), and the networks' mean log-probabilities there from whole forward passes (T, V)."""
    target = torch.tensor(ids if len(ids) == N_NEW else [*ids, special.end_id])
    decoder_input = F.pad(target[None, :-1], (1, 0), value=special.decoder_start_id)
    mask = torch.ones(1, len(source), dtype=torch.bool)
    both = [network(source[None], mask, decoder_input)[0] for network in pair]  # (T, V) each
    product = torch.exp(both[0] / 2) * torch.exp(both[1] / 2)
    return target, torch.log(product / product.sum(dim=-1, keepdim=True))


def test_each_token_and_score_is_of_the_mean(pair, example, special):
    ensemble = Ensemble(pair)
    chosen = greedy(ensemble, example.source, example.source_mask, special, N_NEW)
    beams = beam_search(ensemble, example.source, example.source_mask, special, N_NEW, 3, n_best=3)
    alone = [greedy(one, example.source, example.source_mask, special, N_NEW) for one in pair]
    assert chosen not in alone
    for source, ids, hypotheses in zip(example.real_sources, chosen, beams, strict=True):
        target, log_probs = teacher_forced(pair, source, ids, special)
        assert log_probs.argmax(dim=-1).tolist() == target.tolist()
        for one in hypotheses:
            target, log_probs = teacher_forced(pair, source, one.ids, special)
            assert one.log_prob == pytest.approx(log_probs.gather(-1, target[:, None]).sum().item())
