"""Next sentence prediction and description-code matching: what is asked, and what must not give it away."""

import re

import pytest

from data.example import IGNORE, Example
from data.objectives import example_generator
from data.objectives.matching import Neighbours, description_code_matching, words
from data.objectives.sentences import next_sentence_prediction

TEXTS = [Example(f"t:{n}", None, "\n".join(f"count {n} {k}" for k in range(4))) for n in range(50)]
FUNCTIONS = [
    Example(
        f"json.tool:{name}", f"Read the {name} of a file.",
        f"def read_{name}(path):\n    for {name} in open(path):\n        yield {name}",
    )
    for name in "alpha gamma delta value index count".split()
]


def halves(item, tokenizer):
    """The two texts of a source."""
    assert item.source[0] == tokenizer.begin_id
    border = item.source.index(tokenizer.end_id)
    return tokenizer.decode(item.source[:border]), tokenizer.decode(item.source[border:])


def asked(objective, example, others, tokenizer, epoch=0, **settings):
    return objective(example, tokenizer, example_generator(0, epoch, example.id), others, **settings)


def many(objective, examples, others, tokenizer, **settings):
    return [
        (example, item)
        for epoch in range(20) for example in examples
        if (item := asked(objective, example, others(example), tokenizer, epoch, **settings)) is not None
    ]


def test_the_question_stands_at_the_first_token_alone(tokenizer):
    for item in (
        asked(next_sentence_prediction, TEXTS[0], TEXTS, tokenizer),
        asked(description_code_matching, FUNCTIONS[0], FUNCTIONS, tokenizer),
    ):
        assert item.kind == "match" and item.labels[0] in (0, 1)
        assert set(item.labels[1:]) == {IGNORE} and len(item.labels) == len(item.source)


def test_half_of_the_second_parts_follow_and_half_are_another_texts(tokenizer):
    follows = 0
    found = many(next_sentence_prediction, TEXTS, lambda _: TEXTS, tokenizer)
    for example, item in found:
        first, second = halves(item, tokenizer)
        assert example.code.startswith(first)
        assert example.code.startswith(f"{first}\n{second}") == bool(item.labels[0])
        own = f"count {example.code.split()[1]} "
        assert (own in f"{second} ") == bool(item.labels[0])  # never another half of the same text
        follows += item.labels[0]
    assert len(found) == 1000 and 440 < follows < 560


def test_a_single_line_has_no_next_one(tokenizer):
    assert asked(next_sentence_prediction, Example("x", None, "count"), TEXTS, tokenizer) is None
    assert asked(next_sentence_prediction, TEXTS[0], [Example("x", None, "count")], tokenizer) is None


def test_a_pair_matches_when_the_code_is_its_own(tokenizer):
    found = many(description_code_matching, FUNCTIONS, lambda _: FUNCTIONS, tokenizer, masked_share=0.0)
    codes = {example.code for example in FUNCTIONS}
    for example, item in found:
        description, code = halves(item, tokenizer)
        assert description == example.nl and code in codes
        assert (code == example.code) == bool(item.labels[0])
    assert 0.35 < sum(item.labels[0] for _, item in found) / len(found) < 0.65


def test_where_words_are_masked_neither_the_name_nor_a_word_of_the_description_is_left(tokenizer):
    for example, item in many(description_code_matching, FUNCTIONS, lambda _: FUNCTIONS, tokenizer, masked_share=1.0):
        description, code = halves(item, tokenizer)
        assert description == example.nl
        assert not re.search(r"read_\w+", code)  # the function's own name, whichever function it is
        assert words(code).isdisjoint(words(example.nl))
        assert "yield" in code and tokenizer.mask_id in item.source


def test_the_number_of_masks_does_not_tell_the_label(tokenizer):
    masks = {0: [], 1: []}
    for _, item in many(description_code_matching, FUNCTIONS, lambda _: FUNCTIONS, tokenizer, masked_share=1.0):
        masks[item.labels[0]].append(item.source.count(tokenizer.mask_id))
    means = [sum(found) / len(found) for found in masks.values()]
    assert abs(means[0] - means[1]) < 0.3


def test_the_other_text_is_in_the_same_language(tokenizer):
    prose = [Example(f"p:{n}", None, f"Some words.\nAnd {n} more.", "text") for n in range(50)]
    for example, item in many(next_sentence_prediction, TEXTS[:5], lambda _: [*prose, *TEXTS], tokenizer):
        assert "count" in halves(item, tokenizer)[1] and example.language == "python"


def test_the_share_of_masked_pairs_is_the_setting_for_true_and_false_pairs_alike(tokenizer):
    masked = {0: [], 1: []}
    for _, item in many(description_code_matching, FUNCTIONS, lambda _: FUNCTIONS, tokenizer, masked_share=0.5):
        masked[item.labels[0]].append(tokenizer.mask_id in item.source)
    assert all(0.3 < sum(found) / len(found) < 0.7 for found in masked.values())


def test_negatives_come_from_the_same_module_and_are_about_as_long():
    long = Example("json.tool:long", "Read.", "x = 1\n" * 200)
    elsewhere = Example("csv:read", "Read.", FUNCTIONS[0].code)
    unlabelled = Example("json.tool:code:3.0", None, FUNCTIONS[0].code)
    neighbours = Neighbours([*FUNCTIONS, long, elsewhere, unlabelled])
    assert {example.id for example in neighbours.of(FUNCTIONS[0])} <= {example.id for example in FUNCTIONS}
    assert len(neighbours.of(FUNCTIONS[0])) > 1
    assert list(neighbours.of(long)) == [long] and list(neighbours.of(unlabelled)) == []
    lengths = [len(example.code) for example in neighbours.of(FUNCTIONS[0])]
    assert max(lengths) / min(lengths) < 1.6


def test_a_function_without_another_one_is_left_out_whatever_is_drawn(tokenizer):
    twin = Example("json.tool:twin", FUNCTIONS[0].nl, "pass")
    for others in ([], FUNCTIONS[:1], [FUNCTIONS[0], twin]):
        for epoch in range(8):
            assert asked(description_code_matching, FUNCTIONS[0], others, tokenizer, epoch) is None
    assert asked(description_code_matching, Example("x", None, "pass"), FUNCTIONS, tokenizer) is None


@pytest.mark.parametrize("text, found", [
    ("parse_JSONFile of HTTP2", {"parse", "json", "file", "http"}), ("isNaN at_x", set()), ("", set()),
])
def test_words_are_the_parts_of_names(text, found):
    assert words(text) == found
