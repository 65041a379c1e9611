"""Denoising: the target is a whole line, the source the same line with noise."""

import time
from difflib import SequenceMatcher

from hypothesis import given
from hypothesis import strategies as st

from data.example import Example
from data.objectives import example_generator
from data.objectives.denoise import denoise, with_pieces


def noised(example, tokenizer, epoch=0, **settings):
    return denoise(example, tokenizer, example_generator(0, epoch, example.id), **settings)


def test_the_target_is_the_description_or_the_code_each_about_half_of_the_time(tokenizer, short_examples):
    texts = [tokenizer.decode(noised(example, tokenizer).target) for example in short_examples]
    of_code = [text == example.code for text, example in zip(texts, short_examples, strict=True)]
    assert all(
        text in (example.nl, example.code) for text, example in zip(texts, short_examples, strict=True)
    )
    assert 0.35 < sum(of_code) / len(of_code) < 0.65


def test_unlabelled_text_is_restored_from_its_code(tokenizer, long_examples):
    item = noised(long_examples[0], tokenizer)
    assert tokenizer.decode(item.target[:-1]) == long_examples[0].code
    assert item.target[-1] == item.source[-1] == tokenizer.end_id and item.kind == "seq2seq"


def test_most_of_the_line_is_left_to_be_copied_and_the_rest_is_noise(tokenizer, long_examples):
    copied = total = added = 0
    for example in long_examples[:40]:
        item = noised(example, tokenizer)
        blocks = SequenceMatcher(None, item.source, item.target, autojunk=False).get_matching_blocks()
        copied += sum(block.size for block in blocks)
        total += len(item.target)
        added += len(item.source) - sum(block.size for block in blocks)
    assert 0.8 < copied / total < 0.95
    assert 0.08 < added / total < 0.2


def test_the_noise_is_made_of_masks_and_pieces_of_text(tokenizer, long_examples):
    sources = [noised(example, tokenizer).source[:-1] for example in long_examples[:20]]
    used = {token for source in sources for token in source}
    assert tokenizer.mask_id in used
    assert all(token == tokenizer.mask_id or token >= tokenizer.first_piece_id for token in used)


def test_without_noise_the_line_is_copied(tokenizer, long_examples):
    item = noised(long_examples[0], tokenizer, mask_rate=0.0, insert_rate=0.0)
    assert len(item.target) - len(item.source) in (0, 1)  # one token is always noised


def test_the_shortest_line_can_be_noised(tokenizer):
    for epoch in range(20):
        item = noised(Example("x", None, "alpha"), tokenizer, epoch)
        assert item.target == [*tokenizer.encode("alpha"), tokenizer.end_id]


def test_another_epoch_brings_other_noise(tokenizer, long_examples):
    assert noised(long_examples[0], tokenizer, 0) == noised(long_examples[0], tokenizer, 0)
    assert noised(long_examples[0], tokenizer, 0) != noised(long_examples[0], tokenizer, 1)


@given(st.lists(st.integers(0, 9), max_size=9), st.data())
def test_pieces_are_put_in_as_list_insert_does(ids, data):
    places = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=9)), reverse=True)
    pieces = [*range(100, 100 + len(places))]
    expected = [*ids]
    for place, piece in zip(places, pieces, strict=True):
        expected.insert(place, piece)
    assert with_pieces(ids, places, pieces) == expected


def test_a_text_of_a_megabyte_is_noised_in_a_moment(tokenizer):
    example = Example("x", None, "alpha " * 160_000)
    before = time.process_time()
    assert len(noised(example, tokenizer).source) > 100_000
    assert time.process_time() - before < 10
