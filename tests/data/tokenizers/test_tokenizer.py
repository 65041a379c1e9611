"""The tokenizer loses nothing, and a word has the same pieces wherever it stands."""

import hashlib
import io
import os
import random
import re
import subprocess
import sys
from collections import Counter

import numpy
import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from data.tokenizers.tokenizer import (
    SPECIAL_NAMES,
    Tokenizer,
    printable_bytes,
    segments,
    train_tokenizer,
    training_lines,
)
from system.errors import UserError

CORPUS = [
    "call the method pickle.loads with an argument x, return the result.",
    "return pickle . loads ( x )",
    "define the function get_value with arguments self and name.",
    "def get_value(self, name):\n    if name is None:\n        return 'unknown name'\n    return self.values[name]",
    "if name is None, return string 'unknown name'.",
    "from django . core . exceptions import ImproperlyConfigured",
    "for every value in values, if value is bigger than 10, append value to result.",
    "for value in values :\n\tif value > 10 :\n\t\tresult . append ( value )",
] * 5
TOKENIZER = train_tokenizer(CORPUS, 600)

ANYTHING = st.text()
CODE_LIKE = st.text(alphabet=st.sampled_from(list("ab_1 \t\n\r'\"().,:=<>[]{}\\ é漢\u0301\u2581▕Ġ\x00\u00a0\u2028")))
SPECIAL_TEXT = st.lists(st.sampled_from([*SPECIAL_NAMES[:6], " ", "x", "\n", "'"])).map("".join)
BEFORE = ["", " ", "'", '"', "(", "( ", ".", " . ", ", ", "\n", "\n    ", "  ", "- ", "value ", "x = '", "\u2581"]
AFTER = ["", " ", "'", '"', ")", " )", ".", " . ", ", ", "\n", "\r\n", "  ", " -", " value", "' )", "\u0301", "\x00"]


@given(st.one_of(ANYTHING, CODE_LIKE, SPECIAL_TEXT))
@example("\u2581")
@example("\u2581 a \u2581b\u2581")
@example("a\x00b \x00")
@example("a\rb\r\n c\r")
@example("\u0301 e\u0301 \u0301\u0308x")
@example(" ")
@example("  a  b   c    ")
@example("a b' c 'd \" e")
@example("▕ a▕ b ▕")
@example("def f(x):\n\treturn x  # tab, then blanks\n    \n")
@example("".join(SPECIAL_NAMES))
@example("😀 ﷽ \U0010ffff \ufeff")
def test_no_text_is_changed(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.one_of(ANYTHING, CODE_LIKE, SPECIAL_TEXT))
@example("a b  c d")
@example(" a ' b ' 'c' . d")
def test_a_text_is_words_quotes_punctuation_and_white_space_with_a_blank_between_neighbouring_words(text):
    kinds = re.compile(r"""\w+|[ ]?['"]|[ ]?[^\w\s'"]+[ ]?|\s+""")
    joined = ""
    for segment in segments(text):
        assert kinds.fullmatch(segment)
        joined += (" " if re.search(r"\w$", joined) and re.match(r"\w", segment) else "") + segment
    assert joined == text


@given(st.one_of(ANYTHING, CODE_LIKE, SPECIAL_TEXT))
def test_text_never_becomes_a_special_id(text):
    special = {TOKENIZER.pad_id, TOKENIZER.end_id, TOKENIZER.unk_id, TOKENIZER.begin_id, TOKENIZER.mask_id}
    assert not (special | {*TOKENIZER.sentinel_ids}) & {*TOKENIZER.encode(text)}


@pytest.mark.parametrize("name", SPECIAL_NAMES)
def test_the_name_of_a_special_token_is_ordinary_text(name):
    for text in (name, f"a{name}b", f" {name} {name}"):
        ids = TOKENIZER.encode(text)
        assert min(ids) >= TOKENIZER.first_piece_id
        assert TOKENIZER.decode(ids) == text


@pytest.mark.parametrize("word", ["x", "pickle", "get_value", "ImproperlyConfigured", "never_42", "größe", "漢字", "7"])
def test_a_word_has_the_same_pieces_whatever_stands_around_it(word):
    alone = TOKENIZER.encode(word)
    for before in BEFORE:
        for after in AFTER:
            ids = TOKENIZER.encode(before + word + after)
            start = len(TOKENIZER.encode(before)) if not before.endswith(" ") or before == " " else None
            places = [i for i in range(len(ids)) if ids[i : i + len(alone)] == alone]
            assert places, (before, after, TOKENIZER.pieces(ids))
            assert start is None or start in places


@given(st.lists(st.integers(0, TOKENIZER.vocab_size - 1)))
def test_any_ids_have_a_text_that_is_utf8(ids):
    assert isinstance(TOKENIZER.decode(ids).encode("utf-8"), bytes)
    assert len(TOKENIZER.pieces(ids)) == len(ids)


def test_special_ids_are_dropped_on_decoding():
    ids = TOKENIZER.encode("return x")
    special = [TOKENIZER.pad_id, TOKENIZER.end_id, TOKENIZER.begin_id, *TOKENIZER.sentinel_ids]
    assert TOKENIZER.decode([special[3], *ids[:1], *special, *ids[1:], TOKENIZER.end_id]) == "return x"


def test_special_ids_are_where_the_design_puts_them():
    ids = TOKENIZER.special_ids()
    assert (ids["pad_id"], ids["end_id"], ids["unk_id"], ids["begin_id"]) == (0, 1, 2, 3)
    assert ids["decoder_start_id"] == ids["begin_id"] and len(ids["sentinel_ids"]) == 100
    assert TOKENIZER.pieces([0, 1, 2, 3, ids["mask_id"], ids["sentinel_ids"][99]]) == [
        "<pad>", "</s>", "<unk>", "<s>", "<mask>", "<extra_99>",
    ]


def test_bytes_have_the_printable_characters_of_gpt2():
    table = printable_bytes()
    assert len(set(table.values())) == 256
    assert all(char.isprintable() and not char.isspace() for char in table.values())
    assert (table[0], table[ord(" ")], table[ord("\n")], table[ord("A")], table[0xAD]) == ("Ā", "Ġ", "Ċ", "A", "Ń")


def test_pieces_show_what_they_stand_for():
    pieces = TOKENIZER.pieces(TOKENIZER.encode("return (\n\tvalue)"))
    assert "".join(pieces) == "return▕␣(↵⇥value▕)"


def test_frequent_words_are_one_piece():
    for word in ("return", "value", "name", "result", "if"):
        assert len(TOKENIZER.encode(word)) == 1, TOKENIZER.pieces(TOKENIZER.encode(word))


def test_the_same_texts_give_the_same_tokenizer_in_any_order():
    shuffled = random.Random(1).sample(CORPUS, len(CORPUS))
    assert train_tokenizer(shuffled, 600).model == TOKENIZER.model


def test_the_hash_seed_changes_nothing():
    program = (
        "import sys, hashlib\nfrom data.tokenizers.tokenizer import train_tokenizer\n"
        "print(hashlib.sha256(train_tokenizer(sys.stdin.read().split('|'), 600).model).hexdigest())"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program], input="|".join(CORPUS), capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd(), "PYTHONIOENCODING": "utf-8"},
        )
        assert done.stdout.strip() == hashlib.sha256(TOKENIZER.model).hexdigest()
        assert done.stderr == ""  # training is silent


def test_a_saved_tokenizer_is_the_same(tmp_path):
    path = tmp_path / "tokenizer.model"
    TOKENIZER.save(path)
    again = Tokenizer.load(path)
    text = "return 'größe'\n\tpickle . loads"
    assert again.encode(text) == TOKENIZER.encode(text)
    assert again.vocab_size == TOKENIZER.vocab_size


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"no model", lambda b: b[: len(b) // 2], lambda b: b[:-3]])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(damage(TOKENIZER.model))
    with pytest.raises(UserError) as error:
        Tokenizer.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises(UserError, match="nothing.model"):
        Tokenizer.load(tmp_path / "nothing.model")


def test_a_model_with_other_special_pieces_is_refused():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    with pytest.raises(UserError, match="another tokenizer"):
        Tokenizer(model.getvalue())


def test_a_vocabulary_without_room_for_all_bytes_is_refused_with_the_mend():
    with pytest.raises(ValueError, match="vocab_size=300 .* at least 363"):
        train_tokenizer(CORPUS, 300)
    assert train_tokenizer(CORPUS, 363).vocab_size <= 363


@pytest.mark.parametrize("text", ["a", " ", "\n", "x" * 5000, "\u2581", "<s>"])
def test_little_text_gives_a_small_vocabulary(text):
    tokenizer = train_tokenizer([text], 100_000)
    assert tokenizer.vocab_size < 1000
    assert tokenizer.decode(tokenizer.encode(text + " é")) == text + " é"


def test_no_text_at_all_is_refused():
    with pytest.raises(UserError, match="no text"):
        train_tokenizer(["", ""], 1000)


def test_a_text_that_utf8_cannot_encode_is_refused():
    with pytest.raises(UserError, match="udc80"):
        TOKENIZER.encode("a \udc80 b")


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr("data.tokenizers.tokenizer.MAX_CACHED_SEGMENTS", 10)
    tokenizer = Tokenizer(TOKENIZER.model)
    for i in range(50):
        assert tokenizer.decode(tokenizer.encode(f"name{i}")) == f"name{i}"
    assert len(tokenizer.cache) <= 10


@pytest.mark.parametrize("characters", [10**6, 2**24, 2**25 - 300, 2**25, 2**25 + 1, 3 * 2**24 - 1, 10**9, 10**11])
def test_no_byte_is_too_rare_for_sentencepiece_in_a_text_of_any_length(characters):
    """It takes characters, the frequent ones first, until their share, a float32, is 1."""
    counts = [line.rsplit("\t", 1) for line in training_lines(Counter({"abc": characters // 4}))]
    rarest = min(int(count) for _, count in counts)
    total = sum(len(text) * int(count) for text, count in counts)
    assert numpy.float32((total - rarest) / total) < 1
    assert rarest == 1 or total >= 2**25  # what could be learned before is learned as before
