"""Span corruption cuts 15% of the tokens in spans of 3, and nothing is lost (Raffel et al. 2020)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.example import Example
from data.objectives import example_generator
from data.objectives.span import random_spans, span_corruption


def corrupted(example, tokenizer, epoch=0, **settings):
    return span_corruption(example, tokenizer, example_generator(0, epoch, example.id), **settings)


def spans_of(item, tokenizer):
    """Sentinel -> the tokens that follow it in the target."""
    spans, sentinel = {}, None
    assert item.target[-1] == tokenizer.end_id
    for token in item.target[:-1]:
        if token in tokenizer.sentinel_ids:
            assert token not in spans
            sentinel = token
            spans[sentinel] = []
        else:
            spans[sentinel].append(token)
    return spans


def rebuilt(item, tokenizer):
    """The original, from source and target."""
    spans = spans_of(item, tokenizer)
    return [token for read in item.source[:-1] for token in spans.get(read, [read])]


def test_source_and_target_together_hold_the_text(tokenizer, long_examples, short_examples):
    for example in [*long_examples[:100], *short_examples]:
        text = example.code if example.nl is None else example.nl
        item = corrupted(example, tokenizer)
        assert tokenizer.decode(rebuilt(item, tokenizer)) == text
        assert item.source[-1] == tokenizer.end_id and item.kind == "seq2seq"


def test_the_target_names_its_spans_in_order_and_closes_with_one_more_sentinel(tokenizer, long_examples):
    item = corrupted(long_examples[0], tokenizer)
    in_source = [token for token in item.source if token in tokenizer.sentinel_ids]
    in_target = [token for token in item.target if token in tokenizer.sentinel_ids]
    assert in_source == list(tokenizer.sentinel_ids[: len(in_source)])
    assert in_target == list(tokenizer.sentinel_ids[: len(in_source) + 1])
    assert item.target[-2:] == [in_target[-1], tokenizer.end_id]


@pytest.mark.parametrize("rate, mean", [(0.15, 3.0), (0.3, 2.0), (0.15, 5.0)])
def test_mask_rate_and_mean_span_are_kept_over_100000_tokens(tokenizer, long_examples, rate, mean):
    spans, total = [], 0
    for example in long_examples:
        item = corrupted(example, tokenizer, mask_rate=rate, mean_span=mean)
        spans += [len(span) for span in spans_of(item, tokenizer).values() if span]
        total += len(tokenizer.encode(example.code))
    assert abs(sum(spans) / total - rate) < 0.01
    assert abs(sum(spans) / len(spans) - mean) < 0.05


def test_short_text_has_at_least_one_span(tokenizer, short_examples):
    for example in short_examples:
        assert any(spans_of(corrupted(example, tokenizer), tokenizer).values())


@given(st.integers(1, 3000), st.floats(0.01, 0.9), st.floats(1, 10), st.integers(0, 100))
def test_spans_are_in_order_apart_and_not_too_many(length, rate, mean, seed):
    spans = random_spans(length, rate, mean, example_generator(seed, 0, ""), most=99)
    edges = [edge for span in spans for edge in span]
    assert 1 <= len(spans) <= 99
    assert edges == sorted(edges) and len(set(edges)) == len(edges)
    assert edges[0] >= 0 and edges[-1] <= length


def test_every_place_can_be_corrupted():
    covered = [0] * 20
    for seed in range(3000):
        for start, end in random_spans(20, 0.15, 3.0, example_generator(seed, 0, "")):
            for place in range(start, end):
                covered[place] += 1
    assert min(covered) > 0.25 * max(covered)  # a span of three covers the ends a third as often


def test_a_text_longer_than_the_sentinels_reach_keeps_its_rate(tokenizer):
    example = Example("x", None, "alpha beta " * 3000)
    item = corrupted(example, tokenizer)
    n_tokens = len(tokenizer.encode(example.code))
    spans = spans_of(item, tokenizer)
    assert len(spans) == 100 and abs(sum(map(len, spans.values())) / n_tokens - 0.15) < 0.01
    assert rebuilt(item, tokenizer) == tokenizer.encode(example.code)


def test_another_epoch_cuts_other_spans(tokenizer, long_examples):
    assert corrupted(long_examples[0], tokenizer, 0) == corrupted(long_examples[0], tokenizer, 0)
    assert corrupted(long_examples[0], tokenizer, 0) != corrupted(long_examples[0], tokenizer, 1)


def test_empty_text_is_an_empty_span_corruption(tokenizer):
    item = corrupted(Example("x", None, ""), tokenizer)
    assert item.source == [tokenizer.end_id]
    assert item.target == [tokenizer.sentinel_ids[0], tokenizer.end_id]
