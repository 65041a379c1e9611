"""Masked language modelling hides 15%: 80% masked, 10% replaced, 10% kept (Devlin et al. 2019)."""

from data.example import IGNORE
from data.objectives import example_generator
from data.objectives.mlm import masked_language_modelling


def items(examples, tokenizer, **settings):
    return [masked_language_modelling(e, tokenizer, example_generator(0, 0, e.id), **settings) for e in examples]


def test_labels_restore_the_text(tokenizer, long_examples, short_examples):
    for example in [*long_examples[:50], *short_examples]:
        (item,) = items([example], tokenizer)
        restored = [label if label != IGNORE else read for read, label in zip(item.source, item.labels, strict=True)]
        text = example.code if example.nl is None else example.nl
        assert restored == [*tokenizer.encode(text), tokenizer.end_id]
        assert (item.kind, item.target) == ("mlm", [])


def test_the_hidden_tokens_are_masked_replaced_and_kept_in_shares_80_10_10(tokenizer, long_examples):
    hidden = [
        (read, label)
        for item in items(long_examples, tokenizer)
        for read, label in zip(item.source, item.labels, strict=True) if label != IGNORE
    ]
    total = sum(len(tokenizer.encode(example.code)) for example in long_examples)
    masked = sum(read == tokenizer.mask_id for read, _ in hidden)
    kept = sum(read == label for read, label in hidden)
    assert abs(len(hidden) / total - 0.15) < 0.005
    assert abs(masked / len(hidden) - 0.8) < 0.015
    assert abs(kept / len(hidden) - 0.1) < 0.015  # a random piece is the same one once in some hundred
    replaced = {read for read, label in hidden if read not in (label, tokenizer.mask_id)}
    assert min(replaced) >= tokenizer.first_piece_id and len(replaced) > 100


def test_short_text_has_at_least_one_hidden_token(tokenizer, short_examples):
    for item in items(short_examples, tokenizer):
        assert any(label != IGNORE for label in item.labels)
        assert item.labels[-1] == IGNORE and item.source[-1] == tokenizer.end_id


def test_the_rate_is_a_setting(tokenizer, long_examples):
    for item in items(long_examples[:20], tokenizer, mask_rate=0.4):
        hidden = sum(label != IGNORE for label in item.labels)
        assert abs(hidden / (len(item.labels) - 1) - 0.4) < 0.01


def test_another_epoch_hides_other_tokens(tokenizer, long_examples):
    example = long_examples[0]
    first, second = (
        masked_language_modelling(example, tokenizer, example_generator(0, epoch, example.id)) for epoch in (0, 1)
    )
    assert first != second
    assert first == items([example], tokenizer)[0]


def test_a_whole_word_is_hidden_or_none_of_it(tokenizer, long_examples):
    hidden = total = 0
    for example, item in zip(long_examples, items(long_examples, tokenizer, whole_words=True), strict=True):
        place = 0
        for _, _, pieces in tokenizer.encode_words(example.code):
            labels = item.labels[place : place + len(pieces)]
            assert labels == pieces or set(labels) == {IGNORE}
            place += len(pieces)
        hidden += sum(label != IGNORE for label in item.labels)
        total += place
    assert abs(hidden / total - 0.15) < 0.01


def test_one_word_at_least_is_hidden(tokenizer, short_examples):
    for item in items(short_examples, tokenizer, whole_words=True, mask_rate=0.01):
        assert any(label != IGNORE for label in item.labels)
