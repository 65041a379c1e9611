"""The bag of words is a fair opponent, and the network is asked the same questions."""

import pytest
import torch

from data.example import Example
from data.tokenizers.tokenizer import train_tokenizer
from model.config import preset
from model.fast import make_network
from training.matching import (
    N_QUESTIONS,
    BagOfWords,
    best_threshold,
    matching_accuracy,
    matching_questions,
    network_answers,
)

NAMES = "alpha gamma delta value index count".split()
FUNCTIONS = [
    Example(f"tool{k}:{name}", f"Read the {name} of a file.", f"def read(path):\n    for {name} in path:\n        pass")
    for k in range(8) for name in NAMES
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for e in FUNCTIONS for text in (e.nl, e.code)], 400)


@pytest.mark.parametrize("scored, threshold, right", [
    ([(0.9, 1), (0.8, 1), (0.2, 0), (0.1, 0)], 0.8, 4),
    ([(0.0, 1), (0.0, 0), (0.0, 0), (0.5, 1)], 0.5, 3),  # no threshold parts what is equal
    ([(0.0, 1), (0.0, 0), (0.0, 0)], float("inf"), 2),
    ([(0.3, 0), (0.2, 0)], float("inf"), 2),
])
def test_the_threshold_is_right_most_often(scored, threshold, right):
    found = best_threshold(scored)
    assert found == threshold and sum((score >= found) == bool(label) for score, label in scored) == right


def test_words_in_common_tell_where_they_are_left(tokenizer):
    plain = questions(tokenizer, 0.0)
    baseline = BagOfWords(plain)
    assert sum(baseline.matches(nl, code) == bool(label) for nl, code, label in plain) == len(plain) > 30
    masked = questions(tokenizer, 1.0)
    blind = BagOfWords(masked)
    share = sum(blind.matches(nl, code) == bool(label) for nl, code, label in masked) / len(masked)
    assert share < 0.7  # hardly more than a coin


def questions(tokenizer, masked_share):
    items = matching_questions(FUNCTIONS, tokenizer, masked_share, 200, len(FUNCTIONS))
    return [(*tokenizer_texts(item, tokenizer), item.labels[0]) for _, item in items]


def tokenizer_texts(item, tokenizer):
    border = item.source.index(tokenizer.end_id)
    return tokenizer.decode(item.source[:border]), tokenizer.decode(item.source[border:])


def test_a_network_that_says_yes_is_right_about_the_matches(tokenizer):
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_heads": 2, "d_ff": 16, "n_encoder_layers": 1, "n_decoder_layers": 1}
    config = preset("modern", vocab_size=tokenizer.vocab_size, match_head=True, **sizes)
    model = make_network(config, tokenizer.pad_id)
    items = [item for _, item in matching_questions(FUNCTIONS, tokenizer, 0.5, 200, len(FUNCTIONS))]
    for bias, label in ((1e3, 1), (-1e3, 0)):
        torch.nn.init.constant_(model.match_head.output.bias, bias)
        assert network_answers(model, tokenizer, items) == [item.labels[0] == label for item in items]
    found = matching_accuracy(model, tokenizer, FUNCTIONS, FUNCTIONS, 0.0, 200)
    assert found.n == N_QUESTIONS // len(items) * len(items) and found.bag_of_words == 1.0 and model.training
    sums = [sum(column) for column in zip(*found.by_function, strict=True)]
    assert sums == [found.n, round(found.network * found.n), found.n] and len(found.by_function) == len(FUNCTIONS)
    assert matching_accuracy(model, tokenizer, FUNCTIONS, FUNCTIONS[:1], 0.0, 200) is None


def test_few_functions_are_asked_about_several_times_and_of_many_some(tokenizer):
    n = len(list(matching_questions(FUNCTIONS, tokenizer, 0.5, 200, len(FUNCTIONS))))
    twice = list(matching_questions(FUNCTIONS, tokenizer, 0.5, 200, 2 * len(FUNCTIONS)))
    assert len(twice) == 2 * n and twice[:n] != twice[n:]
    assert len(list(matching_questions(FUNCTIONS, tokenizer, 0.5, 200, len(FUNCTIONS) // 2))) < n
