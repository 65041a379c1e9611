"""Tokenizer files of strangers neither end the program in Rust's way nor blow texts up."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from data.tokenizers.library import growth_of, guarded
from data.tokenizers.piece_files import read_pieces
from system.errors import UserError

pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def replacement(pattern, content):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def in_turn(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def split_at(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


TEN = replacement("a", "a" * 10)
HOSTILE = {  # place in tokenizer.json, what stands there, what is said
    "growth of a million": ("normalizer", in_turn(*[TEN] * 6), "its normalizer makes up to"),
    "growth of 10^40": ("normalizer", in_turn(*[TEN] * 40), "its normalizer makes up to"),
    "one long replacement": ("normalizer", replacement("a", "b" * 10_000), "its normalizer makes up to"),
    "growth inside": ("normalizer", in_turn(in_turn(*[TEN] * 3), in_turn(*[TEN] * 3)), "its normalizer makes up to"),
    "growth of the decoder": ("decoder", {"type": "Sequence", "decoders": [TEN] * 9}, "its decoder makes up to"),
    "backtracking": ("pre_tokenizer", split_at("(a+)+$"), "cannot be used"),
    "reference": ("pre_tokenizer", split_at(r"(a*)*\1$"), "cannot be used"),
    "a broken table": ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8AAA=="}, "cannot be"),
    "no table": ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAAAAAA/////w=="}, "is no file of"),
    "an unknown model": ("model", {"type": "Evil"}, "is no file of"),
    "many special ids": ("post_processor", {
        "type": "TemplateProcessing", "pair": [],
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, *[{"SpecialToken": {"id": "</s>", "type_id": 0}}] * 3000],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
    }, "puts 3000 special ids around a text"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tokenizers_are_refused_in_one_line_and_nothing_else_is_written(make_checkpoint, tmp_path, capfd, name):
    place, value, said = HOSTILE[name]
    shutil.copytree(make_checkpoint("t5"), tmp_path, dirs_exist_ok=True)
    values = json.loads((tmp_path / "tokenizer.json").read_text())
    values[place] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    capfd.readouterr()
    with pytest.raises(UserError, match=said) as refusal:
        read_pieces(tmp_path)
    assert str(tmp_path / "tokenizer.json") in str(refusal.value) and "fetch the checkpoint again" in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_ordinary_replacements_make_few_letters_of_one():
    metaspace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    assert growth_of(None) == growth_of({"type": "NFC"}) == 1
    assert growth_of(in_turn({"type": "Prepend", "prepend": "\u2581"}, metaspace, {"type": "Strip"})) == 4


def test_what_is_no_fault_of_the_library_is_not_taken_for_one():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(interrupted, fault="f")
    def refusing():
        raise ValueError("no")

    with pytest.raises(UserError, match="f .no.; fetch the checkpoint again"):
        guarded(refusing, fault="f")


def test_without_standard_error_a_tokenizer_is_read_all_the_same(make_checkpoint):
    program = "import os; os.close(2); from pathlib import Path; from data.tokenizers.piece_files import read_pieces; "
    program += f"print(len(read_pieces(Path({str(make_checkpoint('t5'))!r})).table))"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ, check=False)
    assert done.returncode == 0 and int(done.stdout) > 100
