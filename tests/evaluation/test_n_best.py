"""Choosing among the hypotheses of a beam: what parses first, a reverse model's part, and the oracle."""

import pytest
import torch

from data.config import DataConfig
from data.example import Example
from data.tokenizers.tokenizer import train_tokenizer
from evaluation.config import EvaluationConfig
from evaluation.n_best import Reverse, backward_scores, choose, oracle
from evaluation.predict import Candidate, predict, predict_candidates
from model.config import preset
from model.fast import make_network

DATA = DataConfig(max_source_length=64)
TEXTS = ["return the sum of xs", "return x", "sort the words of the list by their length and reverse them"]
ADD = Example("e:1", "add one", "x += 1")
CANDIDATES = [[Candidate("x +=", -0.1), Candidate("x += 2", -0.2), Candidate("x += 1", -0.3)]]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([*TEXTS, "x += 1"] * 3, 400)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = preset("modern", vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=16, copy_head=True)
    return make_network(config, tokenizer.pad_id).eval()


def test_what_parses_goes_before_what_does_not_and_else_the_likelier():
    assert choose(CANDIDATES, [ADD], EvaluationConfig(beam=3)) == ["x +="]
    assert choose(CANDIDATES, [ADD], EvaluationConfig(beam=3, parsing_first=True)) == ["x += 2"]
    nothing_parses = [CANDIDATES[0][:1]]
    assert choose(nothing_parses, [ADD], EvaluationConfig(beam=3, parsing_first=True)) == ["x +="]
    headers = [[Candidate("else :", -0.1), Candidate("pass", -0.2)]]  # a line of a longer statement is well formed
    assert choose(headers, [ADD], EvaluationConfig(beam=3, parsing_first=True)) == ["else :"]
    bash = Example("e:2", "list", "ls", language="bash")
    assert choose(CANDIDATES, [bash], EvaluationConfig(beam=3, parsing_first=True)) == ["x +="]


def test_the_oracle_takes_any_candidate():
    assert oracle(CANDIDATES, [ADD]) == [True] and oracle([CANDIDATES[0][:2]], [ADD]) == [False]


def test_candidates_come_likeliest_first_and_the_first_is_the_prediction(model, tokenizer):
    config = EvaluationConfig(beam=4, max_new_tokens=5, batch_examples=2)
    candidates, _ = predict_candidates(model, tokenizer, TEXTS, config, DATA, n_best=4)
    assert [len(of_one) for of_one in candidates] == [4, 4, 4]
    for of_one in candidates:
        assert [one.score for one in of_one] == sorted((one.score for one in of_one), reverse=True)
    assert [of_one[0].code for of_one in candidates] == predict(model, tokenizer, TEXTS, config, DATA)[0]


def test_backward_scores_are_mean_log_probabilities_of_the_description(model, tokenizer):
    codes = [[Candidate("x += 1", 0.0), Candidate("x", 0.0)], [Candidate("x += 1\nreturn x", 0.0)]]
    scores = backward_scores(Reverse("", model, tokenizer, 64), codes, TEXTS[:2], batch_examples=2)
    one_by_one = []
    for of_one, description in zip(codes, TEXTS, strict=False):
        for candidate in of_one:
            source = torch.tensor([[*tokenizer.encode(candidate.code), tokenizer.end_id]])
            target = torch.tensor([[*tokenizer.encode(description), tokenizer.end_id]])
            given = torch.cat((torch.tensor([[tokenizer.decoder_start_id]]), target[:, :-1]), dim=1)
            log_probs = model(source, torch.ones_like(source, dtype=torch.bool), given)  # (1, T, V)
            one_by_one.append(log_probs.gather(-1, target[:, :, None]).mean().item())
    assert scores == pytest.approx(one_by_one, abs=1e-4)


def test_the_reverse_models_part_has_its_weight(model, tokenizer):
    reverse = Reverse("", model, tokenizer, 64)
    backward = backward_scores(reverse, CANDIDATES, ["add one"], 8)
    for weight in (0.0, 0.7, 100.0):
        totals = [one.score + weight * more for one, more in zip(CANDIDATES[0], backward, strict=True)]
        expected = CANDIDATES[0][totals.index(max(totals))].code
        assert choose(CANDIDATES, [ADD], EvaluationConfig(beam=3, reverse_weight=weight), reverse) == [expected]


def test_a_choice_needs_a_beam():
    with pytest.raises(ValueError, match="beam"):
        EvaluationConfig(parsing_first=True)
