"""What a tokenizer cannot write is counted and named."""

import pytest

from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.round_trip import losses, missing_characters, with_blanks
from data.tokenizers.tokenizer import train_tokenizer

TEXTS = ["return {x}\n\tx", "return x", "a  b", "return x }", "return\nx"]


def read(folder):
    import json

    values = json.loads((folder / "config.json").read_text())
    ids = [values[name] for name in ("vocab_size", "pad_token_id", "eos_token_id", "decoder_start_token_id")]
    return PretrainedTokenizer(folder, *ids)


@pytest.fixture
def t5(make_checkpoint):
    return read(make_checkpoint("t5"))


def test_our_own_tokenizer_loses_nothing():
    found = losses(train_tokenizer(TEXTS, 400), [*TEXTS, "▁ ▕ \r\n\x00 é", "  "], target=True)
    assert (found.n_texts, found.n_changed, found.kinds) == (7, 0, [])


def test_a_byte_level_checkpoint_loses_nothing(make_checkpoint):
    tokenizer = read(make_checkpoint("codet5"))
    assert losses(tokenizer, TEXTS, target=False).n_changed == 0 and not missing_characters(tokenizer, TEXTS)


def test_characters_line_breaks_and_runs_of_blanks_are_counted_by_kind(t5):
    found = losses(t5, TEXTS, target=True)
    assert (found.n_texts, found.n_changed, found.n_runs, found.n_others) == (5, 4, 1, 0)
    assert found.characters == {"{": 1, "}": 2, "\n": 2, "\t": 1}
    assert found.kinds == [
        "it cannot write line breaks (2), '}' (2), tabs (1), '{' (1)",
        "runs of blanks (indentation) in 1",
    ]


def test_blanks_at_the_ends_count_as_runs_and_a_long_list_is_cut(t5):
    found = losses(t5, [" x", "x ", "x y", "ΑΒΓΔΕΖΗΘΙΚ\u202e"], target=True)
    assert (found.n_changed, found.n_runs) == (3, 2)
    assert found.kinds[0].endswith(" and 3 more characters") and "\u202e" not in found.kinds[0]


def test_names_of_special_tokens_are_shown_as_other_changes(t5):
    found = losses(t5, ["a <pad> b", "a <pad>"], target=True)
    assert found.n_others == 2 and found.kinds == ["other changes in 2, such as '<pad> b' to ' b'"]


def test_missing_characters_are_those_that_do_not_come_back_alone(t5):
    assert missing_characters(t5, TEXTS) == ["\t", "\n", "{", "}"]
    assert missing_characters(t5, ["a  b", "return x"]) == []  # a blank is no missing character


def test_only_blanks_that_would_be_lost_become_part_of_pieces(t5, make_checkpoint):
    characters = missing_characters(t5, TEXTS)
    assert with_blanks(t5.with_pieces(characters), characters, TEXTS) == [" {", " }"]
    lossless = read(make_checkpoint("codet5"))
    assert with_blanks(lossless, ["{"], TEXTS) == []
