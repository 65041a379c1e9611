"""Pieces added to a checkpoint's tokenizer: the ids of transformers, and texts that come back."""

import json
import re
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.tokenizers.added_pieces import cut_out, in_parts
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.round_trip import missing_characters, with_blanks
from system.errors import UserError

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

LOSSY = ("t5", "plbart", "plbart with languages", "marian")
CODE = [
    "def f(x):\n\treturn { 'a': 1, \"b\": {2} }\n", "{}\n{ }", "x = {y} if `z` else ~w\r\n", "a\n\nb", "{ {} }~{~ ~\t",
    "π { 漢 }", "</s> { <pad>", "x = '…'", "ﬁ\u00a0=\u200b½ e\u0301", "👩\u200d💻 \ufeffＡ_b\u2028", "a\\nb #!",
]  # fmt: skip


def read(folder, **changes) -> PretrainedTokenizer:
    values = json.loads((folder / "config.json").read_text())
    ids = {"vocab_size": values["vocab_size"], "pad_id": values["pad_token_id"], "end_id": values["eos_token_id"],
           "decoder_start_id": values.get("decoder_start_token_id", values["eos_token_id"])}  # fmt: skip
    return PretrainedTokenizer(folder, **{**ids, **changes})


def grown(tokenizer: PretrainedTokenizer, texts) -> PretrainedTokenizer:
    characters = missing_characters(tokenizer, texts)
    tokenizer = tokenizer.with_pieces(characters)
    return tokenizer.with_pieces(with_blanks(tokenizer, characters, texts))


@pytest.fixture(scope="module")
def saved(make_checkpoint, tmp_path_factory):
    """kind -> our tokenizer with added pieces, and transformers' of the folder that it was saved into."""
    made = {}
    for kind in LOSSY:
        ours = grown(read(make_checkpoint(kind)), CODE)
        folder = tmp_path_factory.mktemp("added") / kind
        ours.save(folder)
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**values, "vocab_size": ours.vocab_size}))
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        theirs.clean_up_tokenization_spaces = False
        made[kind] = ours, theirs, folder
    return made


@pytest.mark.parametrize("kind", LOSSY)
def test_code_comes_back_once_its_characters_are_pieces(make_checkpoint, kind):
    before = read(make_checkpoint(kind))
    ours = grown(before, CODE)
    assert not missing_characters(ours, CODE)
    for text in (text for text in CODE if "</s>" not in text):
        assert ours.decode(ours.encode_target(text)) == ours.decode(ours.encode(text)) == text
        assert before.decode(before.encode(text)) != text
    assert ours.special_ids() == before.special_ids() and ours.special == before.special
    assert {index: ours.table[index] for index in before.table} == before.table


# Code without runs of blanks; names of special tokens are text here and special tokens in transformers.
letters = st.sampled_from(["{", "}", "\n", "\t", "~", "`", " ", "x", "return", "a b", ":", "é", "漢", "1", "()"])
codes = st.lists(letters, max_size=14).map(lambda parts: re.sub(" +", " ", "".join(parts)).strip(" "))


@given(text=codes)
@settings(max_examples=150)
def test_texts_with_added_pieces_have_the_ids_of_transformers(saved, text):
    for ours, theirs, _ in saved.values():
        assert ours.frame(ours.encode(text)) == theirs(text).input_ids
        assert ours.frame(ours.encode_target(text), target=True) == theirs(text_target=text).input_ids


@pytest.mark.parametrize("kind", LOSSY)
def test_a_saved_folder_is_read_again_and_takes_further_pieces(saved, kind):
    ours, _, folder = saved[kind]
    again = read(folder)
    assert again.table == ours.table and [again.encode(text) for text in CODE] == [ours.encode(text) for text in CODE]
    more = again.with_pieces(["\x0c"])
    assert more.encode("a\x0cb")[-2] == max(more.table) == max(again.table) + 1
    assert more.decode(more.encode("{a\x0cb}")) == "{a\x0cb}"


def test_rows_that_a_vocabulary_was_rounded_up_by_are_used_first(make_checkpoint):
    t5, plbart = (read(make_checkpoint(kind)) for kind in ("t5", "plbart"))
    assert t5.with_pieces(["{", "}"]).vocab_size == t5.vocab_size  # 28 ids have no piece
    assert plbart.with_pieces(["{", "}"]).vocab_size == plbart.vocab_size + 2


def test_a_t5_of_spiece_model_alone_keeps_its_special_tokens(make_checkpoint, tmp_path):
    for name in ("spiece.model", "config.json"):
        shutil.copy(make_checkpoint("t5") / name, tmp_path)
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": "</s>", "unk_token": "<unk>"}')
    ours = grown(read(tmp_path), CODE)
    ours.save(tmp_path / "out")
    values = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert values["eos_token"] == "</s>"
    listed = {token["content"]: (token["special"], token["normalized"]) for token in
              values["added_tokens_decoder"].values()}  # fmt: skip
    assert listed["\n"] == (False, False)  # else the class looks for a line break where it is a blank already
    again = read(tmp_path / "out", vocab_size=ours.vocab_size)
    assert again.decode(again.encode("{\n}")) == "{\n}" and again.sentinel_ids == ours.sentinel_ids


@pytest.mark.parametrize("kind", [*LOSSY, "codet5"])
def test_pieces_that_others_added_with_transformers_are_read(make_checkpoint, tmp_path, kind):
    folder = make_checkpoint(kind)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    theirs.clean_up_tokenization_spaces = False
    theirs.add_tokens(["{", "}", "<mine>"])
    theirs.save_pretrained(tmp_path)
    values = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, "vocab_size": values["vocab_size"] + 3}))
    ours = read(tmp_path)
    for text in ("{a}", "x = {a: <mine>}", "{}{ }", "plain text"):
        assert ours.frame(ours.encode(text)) == theirs(text).input_ids
    assert ours.decode(ours.encode("{a}")) == "{a}"


def test_an_id_with_two_pieces_is_refused(make_checkpoint, tmp_path):
    shutil.copytree(make_checkpoint("marian"), tmp_path, dirs_exist_ok=True)
    (tmp_path / "added_tokens.json").write_text('{"{": 7}')
    with pytest.raises(UserError, match="id 7 is both .* which was added"):
        read(tmp_path)


def test_mt5s_files_have_no_sentinels(make_checkpoint, tmp_path):
    for name in ("spiece.model", "config.json"):
        shutil.copy(make_checkpoint("t5") / name, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"extra_ids": 0}')
    assert read(tmp_path).sentinel_ids == ()
    (tmp_path / "tokenizer_config.json").write_text('{"extra_ids": -3}')
    with pytest.raises(UserError, match="extra_ids=-3 is no number of sentinels"):
        read(tmp_path)


@given(text=st.text(alphabet="ab{ "), pieces=st.sets(st.sampled_from(["{", " {", "{ ", "ab", "a", "{{"]), min_size=1))
def test_cutting_out_takes_the_leftmost_and_then_the_longest_piece(text, pieces):
    added = {100 + i: piece for i, piece in enumerate(sorted(pieces))}
    ids = cut_out(added, lambda part: [ord(char) for char in part])(text)
    expected, at = [], 0
    while at < len(text):  # by hand
        here = [piece for piece in pieces if text.startswith(piece, at)]
        piece = max(here, key=len, default=text[at])
        expected.append(next((i for i, other in added.items() if here and other == piece), ord(text[at])))
        at += len(piece)
    assert ids == expected
    assert in_parts(added, lambda part: "".join(map(chr, part)))(ids) == text
