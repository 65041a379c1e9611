"""A student is trained on its teacher's own words, which are written once."""

import pytest
import torch

from data.config import DataConfig
from data.example import BadRecords
from model.decoding import SpecialIds, beam_search
from system.atomic_files import read_json
from system.errors import UserError
from training.corpus import Corpus
from training.recipes import TrainingSettings
from training.strategies import sequence_level
from training.strategies.config import StrategiesConfig, TeacherConfig
from training.strategies.sequence_level import BEAM_WIDTH, TARGETS_FILE, with_teacher_targets

SETTINGS = TrainingSettings(
    data=DataConfig(max_target_length=4),  # shorter than the descriptions, which are read whole
    strategies=StrategiesConfig(teacher=TeacherConfig("runs/teacher", sequence_level=True)),
)


def test_the_code_of_each_training_line_is_the_teachers(make_model, tokenizer, examples, tmp_path, monkeypatch):
    teacher = make_model(seed=3, copy_head=True).eval()
    corpus = Corpus(list(examples), list(examples[:2]), BadRecords(), {"data_hash": "0"})
    got = with_teacher_targets(corpus, teacher, tokenizer, SETTINGS, tmp_path)
    special = SpecialIds(tokenizer.pad_id, tokenizer.end_id, tokenizer.decoder_start_id, tokenizer.never_ids)
    for before, after in zip(examples, got.train, strict=True):
        source = torch.tensor([[*tokenizer.encode(before.nl), tokenizer.end_id]])
        best = beam_search(teacher, source, torch.ones_like(source, dtype=torch.bool), special, 4, BEAM_WIDTH)[0][0]
        assert (after.id, after.nl, after.code) == (before.id, before.nl, tokenizer.decode(best.ids))
    assert got.held_out == corpus.held_out and got.about == corpus.about
    monkeypatch.setattr(sequence_level, "beam_search", lambda *_: pytest.fail("it was written already"))
    assert with_teacher_targets(corpus, teacher, tokenizer, SETTINGS, tmp_path) == got
    with pytest.raises(UserError, match="other training lines"):
        with_teacher_targets(Corpus(list(examples[1:]), [], BadRecords(), {}), teacher, tokenizer, SETTINGS, tmp_path)


def test_a_teacher_that_was_interrupted_goes_on_with_the_lines_that_are_missing(
    make_model, tokenizer, examples, tmp_path, monkeypatch
):
    """And decodes the same lines together, lest rounding make another code."""
    monkeypatch.setattr(sequence_level, "DESCRIPTIONS_AT_ONCE", 2)
    teacher, decoded = make_model(seed=3, copy_head=True).eval(), []

    def interrupted(model, source, *rest):
        if len(decoded) == 2:
            raise KeyboardInterrupt
        decoded.append(source.tolist())
        return beam_search(model, source, *rest)

    corpus = Corpus(list(examples), [], BadRecords(), {})
    whole = with_teacher_targets(corpus, teacher, tokenizer, SETTINGS, tmp_path)
    (tmp_path / TARGETS_FILE).unlink()
    monkeypatch.setattr(sequence_level, "beam_search", interrupted)
    with pytest.raises(KeyboardInterrupt):
        with_teacher_targets(corpus, teacher, tokenizer, SETTINGS, tmp_path)
    assert len(read_json(tmp_path / TARGETS_FILE)) == 4
    first, decoded[:] = [*decoded], []
    assert with_teacher_targets(corpus, teacher, tokenizer, SETTINGS, tmp_path) == whole
    assert len(decoded) == 1 and decoded[0] not in first
