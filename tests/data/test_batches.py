"""Batches hold every example once, stay within the budget and pad little."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.batches import collate, plan_batches
from data.example import IGNORE, Item
from data.tokenizers.tokenizer import train_tokenizer

DJANGO = Path(os.environ.get("CODEGEN_DATA", "../shared/data")) / "django"
SPECIAL = SimpleNamespace(pad_id=0, decoder_start_id=3)
LENGTHS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=80)


def padding(lengths, batches):
    """Share of the padded positions, source and target together, that hold no token."""
    real = sum(source + target for source, target in lengths)
    sizes = [(len(b), max(lengths[i][0] for i in b), max(lengths[i][1] for i in b)) for b in batches]
    return 1 - real / sum(rows * (source + target) for rows, source, target in sizes)


def wordy_lengths(n):
    """Log-normal lengths, the target's following the source's, as in real corpora."""
    generator = numpy.random.default_rng(0)
    source = numpy.exp(generator.normal(2.7, 0.6, n))
    target = source * numpy.exp(generator.normal(-0.3, 0.4, n))
    return [(int(s) + 2, int(t) + 2) for s, t in zip(source, target, strict=True)]


@given(LENGTHS, st.integers(20, 400), st.integers(0, 3))
def test_an_epoch_holds_every_example_once_within_the_budget(lengths, budget, epoch):
    batches = plan_batches(lengths, budget, seed=1, epoch=epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * (max(lengths[i][0] for i in batch) + max(lengths[i][1] for i in batch))
        assert padded <= budget or len(batch) == 1


def test_an_example_longer_than_the_budget_has_a_batch_of_its_own():
    batches = plan_batches([(5, 5)] * 6 + [(500, 300)], 100, seed=0, epoch=0)
    assert [6] in batches and all(len(batch) > 1 for batch in batches if batch != [6])


def test_batches_are_the_same_for_a_seed_and_epoch_and_drawn_anew_for_another():
    lengths = wordy_lengths(2000)
    first = plan_batches(lengths, 1000, seed=7, epoch=3)
    assert plan_batches(lengths, 1000, seed=7, epoch=3) == first
    assert plan_batches(lengths, 1000, seed=7, epoch=4) != first
    assert plan_batches(lengths, 1000, seed=8, epoch=3) != first


def test_most_neighbours_in_a_batch_are_parted_in_the_next_epoch():
    lengths = wordy_lengths(4000)
    batch_of = [
        {i: number for number, batch in enumerate(plan_batches(lengths, 2000, 0, epoch)) for i in batch}
        for epoch in (0, 1)
    ]
    first = plan_batches(lengths, 2000, 0, 0)
    together = [batch_of[1][a] == batch_of[1][b] for batch in first for a, b in zip(batch, batch[1:], strict=False)]
    assert sum(together) < 0.6 * len(together)


def test_long_batches_are_not_all_at_one_end_of_the_epoch():
    lengths = wordy_lengths(4000)
    longest = [max(lengths[i][0] for i in batch) for batch in plan_batches(lengths, 2000, 0, 0)]
    half = len(longest) // 2
    assert abs(numpy.mean(longest[:half]) - numpy.mean(longest[half:])) < 0.5 * numpy.mean(longest)


def test_padding_of_word_like_lengths_is_below_8_percent():
    lengths = wordy_lengths(16000)
    assert padding(lengths, plan_batches(lengths, 4096, seed=0, epoch=0)) < 0.08


@pytest.mark.skipif(not DJANGO.exists(), reason="no published corpora here (set CODEGEN_DATA)")
def test_padding_on_django_is_below_8_percent_over_an_epoch():
    nl, code = (
        [line.strip() for line in (DJANGO / name).read_text(encoding="utf-8").split("\n")[:16000]]
        for name in ("all.anno", "all.code")
    )
    tokenizer = train_tokenizer(nl + code, 4000)
    lengths = [(len(tokenizer.encode(x)) + 1, len(tokenizer.encode(y)) + 1) for x, y in zip(nl, code, strict=True)]
    for epoch in range(3):
        assert padding(lengths, plan_batches(lengths, 4096, seed=0, epoch=epoch)) < 0.08


def test_a_number_of_examples_can_take_the_place_of_the_token_budget():
    batches = plan_batches(wordy_lengths(100), 0, seed=0, epoch=0, batch_examples=8)
    assert [len(batch) for batch in batches] == [8] * 12 + [4]
    assert sorted(i for batch in batches for i in batch) == list(range(100))
    assert batches != plan_batches(wordy_lengths(100), 0, seed=0, epoch=1, batch_examples=8)


def test_a_batch_without_a_size_is_refused():
    with pytest.raises(ValueError, match="batch_tokens and data.batch_examples are both 0"):
        plan_batches([(1, 1)], 0, seed=0, epoch=0)


def test_an_empty_corpus_has_no_batches():
    assert plan_batches([], 100, 0, 0) == plan_batches([], 0, 0, 0, batch_examples=4) == []


def test_items_are_padded_on_the_right_and_masked():
    batch = collate([Item([7, 8, 1], [9, 1]), Item([6, 1], [5, 4, 6, 1])], ["a", "b"], SPECIAL)
    assert (batch.ids, batch.kind, batch.labels, batch.n_tokens) == (["a", "b"], "seq2seq", None, 11)
    assert batch.source.tolist() == [[7, 8, 1], [6, 1, 0]]
    assert batch.source_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.target.tolist() == [[9, 1, 0, 0], [5, 4, 6, 1]]
    assert batch.target_mask.tolist() == [[True, True, False, False], [True] * 4]
    assert batch.source.dtype == batch.target.dtype == batch.decoder_input.dtype == torch.long


def test_the_decoder_reads_the_target_one_token_late():
    batch = collate([Item([1], [9, 8, 1]), Item([1], [5, 1])], ["a", "b"], SPECIAL)
    assert batch.decoder_input.tolist() == [[3, 9, 8], [3, 5, 1]]
    later = batch.target_mask[:, 1:]
    assert torch.equal(batch.decoder_input[:, 1:][later], batch.target[:, :-1][later])


def test_masked_language_modelling_has_labels_and_no_target():
    items = [Item([4, 8, 1], labels=[6, IGNORE, IGNORE], kind="mlm"), Item([4, 1], labels=[5, IGNORE], kind="mlm")]
    batch = collate(items, ["a", "b"], SPECIAL)
    assert batch.labels.tolist() == [[6, IGNORE, IGNORE], [5, IGNORE, IGNORE]]
    assert batch.target.shape == batch.target_mask.shape == batch.decoder_input.shape == (2, 0)
    assert batch.n_tokens == 5


def test_a_batch_of_two_kinds_is_refused():
    with pytest.raises(ValueError, match="one kind"):
        collate([Item([1], [1]), Item([1], labels=[IGNORE], kind="mlm")], ["a", "b"], SPECIAL)


def test_a_batch_moves_as_a_whole():
    batch = collate([Item([7, 1], labels=[5, IGNORE], kind="mlm")], ["a"], SPECIAL)
    moved = batch.to("meta")
    assert moved.source.device.type == moved.labels.device.type == moved.decoder_input.device.type == "meta"
    assert (moved.ids, moved.kind, moved.n_tokens) == (batch.ids, batch.kind, batch.n_tokens)
    assert batch.source.device.type == "cpu"
