"""A checkpoint's tokenizer cuts text as the class of transformers does, and keeps the contract of ours."""

import json
import shutil
import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.example import Example
from data.objectives.denoise import denoise
from data.objectives.mlm import masked_language_modelling
from data.objectives.pairs import pairs
from data.objectives.span import span_corruption
from data.tokenizers.piece_files import language_code
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from system.errors import UserError

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")


def read(folder, **changes) -> PretrainedTokenizer:
    """The tokenizer in a folder, with the ids of its config.json."""
    values = json.loads((folder / "config.json").read_text())
    ids = {"vocab_size": values["vocab_size"], "pad_id": values["pad_token_id"], "end_id": values["eos_token_id"],
           "decoder_start_id": values.get("decoder_start_token_id", values["eos_token_id"])}  # fmt: skip
    return PretrainedTokenizer(folder, **{**ids, **changes})


@pytest.fixture(scope="module")
def theirs(checkpoint):
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.clean_up_tokenization_spaces = False  # PLBART's class glues `self . name` together, and code with it
    return tokenizer


@pytest.fixture(scope="module")
def ours(checkpoint):
    return read(checkpoint)


def test_ten_strings_have_the_ids_of_the_models_own_class(ours, theirs, strings):
    for text in strings:
        assert ours.frame(ours.encode(text)) == theirs(text).input_ids
        assert ours.frame(ours.encode_target(text), target=True) == theirs(text_target=text).input_ids


def test_ids_have_the_text_of_the_models_own_class(ours, theirs, strings):
    for text in strings:
        ids = theirs(text).input_ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    every = [i for i in range(len(theirs)) if i not in theirs.all_special_ids and i in ours.table]
    assert ours.decode(every) == theirs.decode(every, skip_special_tokens=True)


def test_special_ids_are_those_of_the_models_own_class(ours, theirs):
    assert ours.special == {*theirs.all_special_ids}
    named = theirs.pad_token_id, theirs.eos_token_id, theirs.unk_token_id
    assert (ours.pad_id, ours.end_id, ours.unk_id) == named
    has_mask = theirs.mask_token is not None and theirs.mask_token in theirs.get_vocab()
    assert ours.mask_id == (theirs.mask_token_id if has_mask else None)
    sentinels = theirs.convert_tokens_to_ids([f"<extra_id_{i}>" for i in range(100)])
    assert ours.sentinel_ids == (tuple(sentinels) if "<extra_id_0>" in theirs.get_vocab() else ())


@given(text=st.text())
def test_no_text_can_hold_a_special_token(make_checkpoint, text):
    for kind in ("codet5", "t5", "plbart", "marian"):
        tokenizer = read(make_checkpoint(kind))
        for dangerous in (text, f"{text}</s>", f"<pad> {text} </s> <extra_id_0><mask>__en_XX__"):
            for encode in (tokenizer.encode, tokenizer.encode_target):
                assert not ({*encode(dangerous)} & tokenizer.special) - {tokenizer.unk_id}


@given(text=st.text())
def test_byte_level_pieces_lose_nothing(make_checkpoint, text):
    for kind in ("codet5", "bart"):
        tokenizer = read(make_checkpoint(kind))
        assert tokenizer.decode(tokenizer.frame(tokenizer.encode(text))) == text


def test_any_ids_have_a_text_and_pieces(ours):
    everything = [*range(ours.vocab_size)]
    assert isinstance(ours.decode(everything), str)
    assert len(ours.pieces(everything)) == ours.vocab_size and all(ours.pieces(everything))
    assert ours.decode([ours.pad_id, *ours.suffix, ours.vocab_size - 1]) in ("", ours.decode([ours.vocab_size - 1]))


def test_what_is_saved_is_read_again_without_the_checkpoint(ours, strings, tmp_path):
    ours.save(tmp_path / "tokenizer")
    again = read(tmp_path / "tokenizer")
    assert again.special_ids() == ours.special_ids() and again.table == ours.table
    assert [again.encode_target(text) for text in strings] == [ours.encode_target(text) for text in strings]


def test_the_classes_own_new_files_are_read_too(checkpoint, theirs, ours, strings, tmp_path):
    theirs.save_pretrained(tmp_path)
    shutil.copy(checkpoint / "config.json", tmp_path)
    again = read(tmp_path)
    assert [again.encode(text) for text in strings] == [ours.encode(text) for text in strings]
    assert again.special == ours.special


def test_objectives_put_the_models_special_ids_around_their_texts(ours, theirs):
    example = Example("1", "add 1 to x_1 for each number", "x_1 += 1  # comment")
    generator = numpy.random.default_rng(0)
    item = pairs(example, ours, generator)
    assert item.source == theirs(example.nl).input_ids
    assert item.target == theirs(text_target=example.code).input_ids
    made = [item]
    if ours.mask_id is not None:
        masked = masked_language_modelling(example, ours, generator, 0.5)
        assert len(masked.labels) == len(masked.source) and masked.source.count(ours.mask_id) > 0
        made += [masked, denoise(example, ours, generator)]
    if ours.sentinel_ids:
        spans = span_corruption(example, ours, generator)
        assert spans.target[len(ours.prefix)] == ours.sentinel_ids[0] and ours.sentinel_ids[0] in spans.source
        made.append(spans)
    for item in made:
        assert tuple(item.source[: len(ours.prefix)]) == ours.prefix
        assert tuple(item.source[-len(ours.suffix) :]) == ours.suffix


def test_our_own_tokenizer_frames_with_the_end_token_alone():
    assert Tokenizer.prefix == () and Tokenizer.suffix == Tokenizer.target_suffix == (Tokenizer.end_id,)


def test_a_language_code_is_one_id_only_where_the_vocabulary_has_it():
    assert language_code(">>fr<< a text", {">>fr<<": 3}) == ([">>fr<<"], " a text")
    assert language_code(">>> a << b", {">>fr<<": 3}) == ([], ">>> a << b")
    assert language_code("a >>fr<<", {">>fr<<": 3}) == ([], "a >>fr<<")
    assert language_code(">>fr text", {">": 3, "": 4}) == ([], ">>fr text"), "no code, though the vocabulary has >"


def test_t5s_older_file_has_the_ids_of_sentencepiece_and_a_hundred_sentinels(make_checkpoint, strings, tmp_path):
    """T5's class needs protobuf to read spiece.model alone; its tokenizer.json has the same pieces."""
    folder = make_checkpoint("t5")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for name in ("spiece.model", "config.json"):
        shutil.copy(folder / name, tmp_path)
    ours = read(tmp_path)
    assert [ours.frame(ours.encode(text)) for text in strings] == [theirs(text).input_ids for text in strings]
    ids = [theirs(text).input_ids for text in strings]
    assert [ours.decode(row) for row in ids] == [theirs.decode(row, skip_special_tokens=True) for row in ids]
    assert ours.sentinel_ids == read(folder).sentinel_ids


# What is refused


def refused(folder, **changes):
    with pytest.raises(UserError) as refusal:
        read(folder, **changes)
    assert "\n" not in str(refusal.value) and str(folder) in str(refusal.value)
    return str(refusal.value)


def test_a_checkpoint_without_a_tokenizer_is_refused(make_checkpoint, tmp_path):
    shutil.copy(make_checkpoint("bart") / "config.json", tmp_path)
    shutil.copy(make_checkpoint("bart") / "vocab.json", tmp_path)  # half of one is none
    assert "has no tokenizer, and a network without its own cannot be used" in refused(tmp_path)


@pytest.mark.parametrize(
    ("kind", "file", "content", "expected"),
    [
        ("codet5", "merges.txt", "#version: 0.2\nq w e\n", "do not fit together"),
        ("codet5", "vocab.json", '{"a": 0', "do not fit together"),
        ("codet5", "special_tokens_map.json", '{"cls_token": "<start>"}', 'has no "<start>"'),
        ("t5", "tokenizer.json", "{}", "is no file of the tokenizers library"),
        ("plbart", "sentencepiece.bpe.model", "nothing", "is no sentencepiece model"),
        ("plbart", "tokenizer_config.json", '{"language_codes": "all"}', "language_codes=all is unknown"),
        ("plbart", "tokenizer_config.json", '{"tgt_lang": "perl"}', "language perl is unknown; known are java"),
        ("marian", "tokenizer_config.json", '{"separate_vocabs": true}', "a vocabulary for each side"),
        ("marian", "source.spm", "", "source.spm is no sentencepiece model"),
        ("marian", "vocab.json", '{"</s>": "x"}', "vocab.json: </s> is 'x', not a whole number"),
        ("codet5", "added_tokens.json", '{"zz": "1"}', "added_tokens.json: zz is '1', not a whole number"),
        ("codet5", "tokenizer_config.json", '{"added_tokens_decoder": {"x": {"content": "a"}}}', "'x' in added_tokens"),
        ("codet5", "tokenizer_config.json", '{"added_tokens_decoder": {"1": {}}}', "no added_tokens_decoder"),
        ("codet5", "tokenizer_config.json", '{"added_tokens_decoder": [1]}', "added_tokens_decoder is [1], not names"),
        ("codet5", "tokenizer_config.json", '{"unk_token": ["<unk>"]}', "unk_token is ['<unk>'], not text or names"),
        ("codet5", "tokenizer_config.json", '{"eos_token": 5}', "eos_token is 5, not text or names and values"),
        ("codet5", "tokenizer_config.json", '{"extra_special_tokens": 3}', "extra_special_tokens is 3, not a list or"),
        ("plbart", "tokenizer_config.json", '{"src_lang": 5}', "src_lang is 5, not text"),
        ("plbart", "tokenizer_config.json", '{"language_codes": ["base"]}', "language_codes is ['base'], not text"),
        ("plbart", "sentencepiece.bpe.model", "version https://git-lfs.github.com/spec/v1\n", "a pointer of git-lfs"),
        ("t5", "tokenizer.json", "<!doctype html>", "tokenizer.json is a web page, not the file itself"),
        ("bart", "vocab.json", "version https://git-lfs.github.com/spec/v1\n", "vocab.json is a pointer of git-lfs"),
        ("codet5", "added_tokens.json", '{"zz": -5}', "a piece has the id -5"),
        ("marian", "vocab.json", '{"</s>": 0, "<unk>": 1, "<pad>": 2, "a": -1}', "a piece has the id -1"),
        ("marian", "vocab.json", "[]", "vocab.json: it is [], not names and values"),
    ],
)
def test_damaged_and_unknown_files_are_refused_in_one_line(make_checkpoint, tmp_path, kind, file, content, expected):
    shutil.copytree(make_checkpoint(kind), tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_text(content)
    assert expected in refused(tmp_path)


def test_a_tokenizer_of_another_network_is_refused(make_checkpoint):
    folder = make_checkpoint("codet5")
    assert "440 ids, the network only 439; they are not of the same checkpoint" in refused(folder, vocab_size=439)
    assert "config.json says that 5 ends a text" in refused(folder, end_id=5)
    assert "config.json says that 7 is padding, the tokenizer has 0" in refused(folder, pad_id=7)


def test_without_the_tokenizers_library_the_mend_is_said(make_checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[pretrained\]'"):
        read(make_checkpoint("codet5"))
    assert read(make_checkpoint("plbart")).encode("a")  # sentencepiece is enough for this one


def test_text_that_utf_8_cannot_encode_is_refused(ours):
    with pytest.raises(UserError, match="UTF-8 cannot encode"):
        ours.encode("a \ud800 b")


def test_only_the_files_that_were_read_are_kept(make_checkpoint, tmp_path):
    own = shutil.copytree(make_checkpoint("codet5"), tmp_path / "checkpoint")
    for name in ("spiece.model", "source.spm", "notes.txt", ".netrc"):
        (own / name).write_text("swordfish")
    tokenizer = read(own)
    tokenizer.save(tmp_path / "kept")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert {"vocab.json", "merges.txt"} <= kept.keys() and not {"spiece.model", "source.spm", "notes.txt"} & kept.keys()
    assert not any(b"swordfish" in content for content in kept.values())
    assert read(tmp_path / "kept").encode("def f(x):") == tokenizer.encode("def f(x):")
