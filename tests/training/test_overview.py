"""What training says before its first step, line by line."""

import json
from dataclasses import replace

import pytest
import torch

from data.config import DataConfig
from data.example import BadRecords
from model.config import preset
from model.fast import make_network
from training.config import InitConfig, LoopConfig
from training.corpus import Corpus
from training.overview import show_overview, warn_of_known_lines, workers_in_words
from training.recipes import TrainingSettings
from training.run.folder import write_config


@pytest.mark.parametrize(
    ("kept", "words"), [(True, "freed blocks are kept"), (False, "only glibc can keep freed blocks")]
)
def test_one_aligned_line_says_what_became_of_the_allocators_settings(capsys, kept, words):
    config = preset("modern", vocab_size=20, d_model=8, n_heads=2, d_ff=8, n_encoder_layers=1, n_decoder_layers=1)
    corpora = {"training": Corpus([], [], BadRecords(), {})}
    show_overview(TrainingSettings(model=config), corpora, make_network(config, 0), torch.device("cpu"), kept)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("memory")] == [lines[-1]] and words in lines[-1]
    column = len("vocabulary") + 2
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)


def test_processes_and_their_threads_are_said_in_words(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert (workers_in_words(1), workers_in_words(2)) == ("1 thread", "2 processes of 1 thread each")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert workers_in_words(1) == "2 threads"


@pytest.mark.parametrize(("path", "learnt", "said"), [
    ("here.csv", "", True), ("there.csv", "abc", True), ("there.csv", "other", False), ("there.csv", "", False),
])
def test_a_network_that_learnt_the_same_pairs_under_another_name_is_named(tmp_path, capsys, path, learnt, said):
    other = TrainingSettings(corpus="files", seed=1, data=DataConfig(path=path), training=LoopConfig(steps=5))
    write_config(tmp_path, other, {"pad_id": 0})
    facts = {"pairs_hash": learnt} if learnt else {}
    (tmp_path / "environment.json").write_text(json.dumps({"data": {"training": facts}}))
    settings = replace(other, seed=2, data=DataConfig(path="here.csv"), init=InitConfig(from_=str(tmp_path)))
    warn_of_known_lines(settings, Corpus([], [], BadRecords(), {"pairs_hash": "abc"}))
    assert (f"init.from={tmp_path} may have learnt lines" in capsys.readouterr().err) == said
