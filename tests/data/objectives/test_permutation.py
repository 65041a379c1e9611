"""Permutation language modelling: which tokens are given, which are predicted, and in what order (XLNet)."""

from data.objectives import example_generator
from data.objectives.permutation import permutation_language_modelling


def items(examples, tokenizer, **settings):
    return [permutation_language_modelling(e, tokenizer, example_generator(0, 0, e.id), **settings) for e in examples]


def test_ranks_number_the_predicted_tokens_each_once(tokenizer, long_examples, short_examples):
    for example, item in zip(
        [*long_examples[:50], *short_examples], items([*long_examples[:50], *short_examples], tokenizer), strict=True
    ):
        text = example.code if example.nl is None else example.nl
        assert item.kind == "permutation" and item.source == [tokenizer.end_id]
        assert item.target == [*tokenizer.encode(text), tokenizer.end_id] and len(item.labels) == len(item.target)
        ranks = sorted(rank for rank in item.labels if rank)
        assert ranks == list(range(1, len(ranks) + 1)) and ranks


def test_the_share_is_the_setting(tokenizer, long_examples):
    for rate in (0.15, 0.5):
        found = items(long_examples, tokenizer, mask_rate=rate)
        predicted = sum(rank > 0 for item in found for rank in item.labels)
        assert abs(predicted / sum(len(item.labels) for item in found) - rate) < 0.01


def test_the_order_is_random(tokenizer, long_examples):
    item = items(long_examples[:1], tokenizer, mask_rate=0.9)[0]
    order = [rank for rank in item.labels if rank]
    assert order != sorted(order)
    rises = sum(one < two for one, two in zip(order, order[1:], strict=False))
    assert 0.3 < rises / len(order) < 0.7
