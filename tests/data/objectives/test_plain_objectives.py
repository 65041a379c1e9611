"""Deletion, permuted lines, causal and prefix language modelling, dual generation, target autoencoding."""

import pytest

from data.example import Example
from data.objectives import example_generator
from data.objectives.autoencoding import target_autoencoding
from data.objectives.deletion import token_deletion
from data.objectives.dual import dual_generation
from data.objectives.language_modelling import causal_language_modelling, prefix_language_modelling
from data.objectives.line_permutation import line_permutation

PAIR = Example("p", "load the total", "total = load ( )")


def made(objective, example, tokenizer, epoch=0, **settings):
    return objective(example, tokenizer, example_generator(0, epoch, example.id), **settings)


def test_deletion_leaves_the_rest_in_order_and_asks_for_the_whole(tokenizer, long_examples):
    deleted = total = 0
    for example in long_examples:
        item = made(token_deletion, example, tokenizer)
        rest = iter(item.target)
        assert all(token in rest for token in item.source)
        assert tokenizer.decode(item.target) == example.code
        deleted += len(item.target) - len(item.source)
        total += len(item.target) - 1
    assert abs(deleted / total - 0.15) < 0.01


def test_of_a_short_text_one_token_is_deleted(tokenizer, short_examples):
    for example in short_examples:
        item = made(token_deletion, example, tokenizer, mask_rate=0.01)
        assert len(item.source) == len(item.target) - 1
    assert made(token_deletion, Example("e", None, ""), tokenizer).source == [tokenizer.end_id]


def test_lines_are_mixed_and_none_is_lost(tokenizer):
    code = "\n".join(f"    count {name}" for name in "alpha beta gamma delta load save".split())
    sources = set()
    for epoch in range(6):
        item = made(line_permutation, Example("x", None, code), tokenizer, epoch)
        assert tokenizer.decode(item.target) == code
        assert sorted(tokenizer.decode(item.source).split("\n")) == sorted(code.split("\n"))
        sources.add(tokenizer.decode(item.source))
    assert len(sources) > 3


def test_a_single_line_has_no_order(tokenizer):
    assert made(line_permutation, Example("x", None, "count alpha"), tokenizer) is None


def test_causal_modelling_writes_the_text_from_nothing(tokenizer, long_examples):
    item = made(causal_language_modelling, long_examples[0], tokenizer)
    assert item.source == [tokenizer.end_id] and tokenizer.decode(item.target) == long_examples[0].code


def test_prefix_modelling_cuts_anywhere_and_loses_nothing(tokenizer, long_examples):
    shares = []
    for example in long_examples:
        item = made(prefix_language_modelling, example, tokenizer)
        ids = [*item.source[:-1], *item.target[:-1]]
        assert tokenizer.decode(ids) == example.code and len(item.target) > 1
        shares.append((len(item.source) - 1) / len(ids))
    assert abs(sum(shares) / len(shares) - 0.5) < 0.05 and min(shares) < 0.05 and max(shares) > 0.95
    assert made(prefix_language_modelling, Example("e", None, ""), tokenizer).target == [tokenizer.end_id]


def test_both_directions_come_half_of_the_time(tokenizer):
    forward = 0
    for epoch in range(300):
        item = made(dual_generation, PAIR, tokenizer, epoch)
        texts = tokenizer.decode(item.source), tokenizer.decode(item.target)
        assert texts in ((PAIR.nl, PAIR.code), (PAIR.code, PAIR.nl))
        forward += texts[0] == PAIR.nl
    assert 120 < forward < 180
    assert made(dual_generation, Example("x", None, "x = 1"), tokenizer) is None


@pytest.mark.parametrize("example", [PAIR, Example("x", None, "total = load ( )")])
def test_autoencoding_reads_and_writes_the_code(tokenizer, example):
    item = made(target_autoencoding, example, tokenizer)
    assert item.source == item.target == [*tokenizer.encode(example.code), tokenizer.end_id]
    assert item.kind == "autoencoding"
