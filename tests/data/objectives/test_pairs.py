"""The description is read, the code is written."""

import pytest

from data.example import Example
from data.objectives import example_generator
from data.objectives.pairs import pairs


def test_both_sides_are_whole_and_end_with_the_end_token(tokenizer):
    example = Example("1", "load the total", "total . load (\n\t'é' )")
    item = pairs(example, tokenizer, example_generator(0, 0, "1"))
    assert item.kind == "seq2seq" and item.labels is None
    assert item.source[-1] == item.target[-1] == tokenizer.end_id
    assert tokenizer.decode(item.source[:-1]) == example.nl
    assert tokenizer.decode(item.target[:-1]) == example.code


def test_unlabelled_text_is_no_pair(tokenizer):
    with pytest.raises(ValueError, match="7 has no description"):
        pairs(Example("7", None, "x"), tokenizer, example_generator(0, 0, "7"))
