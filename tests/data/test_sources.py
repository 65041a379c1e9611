"""Corpora by name."""

import sys

import pytest

from data.config import DataConfig
from data.sources import CORPUS_NAMES, open_source
from system.errors import UserError


def test_an_unknown_name_gets_one_line_with_the_names():
    with pytest.raises(UserError) as error:
        open_source("djago", DataConfig(), seed=1)
    assert "'djago'" in str(error.value) and all(name in str(error.value) for name in CORPUS_NAMES)
    assert "\n" not in str(error.value)


def test_a_corpus_in_files_does_not_load_the_miner_or_the_generator(tmp_path, monkeypatch):
    for module in ("data.mining.source", "data.tasks.tasks"):
        monkeypatch.setitem(sys.modules, module, None)  # an import of them would now fail
    (tmp_path / "pairs.jsonl").write_text('{"nl": "one", "code": "1"}\n')
    source = open_source("files", DataConfig(path=str(tmp_path / "pairs.jsonl")), seed=1)
    assert [example.code for example in source.splits()["train"]] == ["1"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        open_source("django", DataConfig(path=str(tmp_path / "nowhere")), seed=1)
