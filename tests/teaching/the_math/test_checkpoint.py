import pytest
import torch

from system.options import run_and_report
from teaching.the_math.checkpoint import main

transformers = pytest.importorskip("transformers", reason="transformers is not installed")


def test_a_checkpoint_of_each_family_agrees_with_its_own_class(checkpoint, capsys):
    assert main([str(checkpoint), "--max_new_tokens", "6"]) == 0
    assert "10 of 10 texts agree" in capsys.readouterr().out


def test_a_disagreement_is_shown_and_is_status_one(make_checkpoint, tmp_path, monkeypatch, capsys):
    text = tmp_path / "texts"
    text.write_text("add 3 to x\n")

    def spoil(model, folder):
        load_network(model, folder)
        with torch.no_grad():
            model.decoder[0].cross_attention.query.weight *= 1.5

    from teaching.the_math.checkpoint import load_network

    monkeypatch.setattr("teaching.the_math.checkpoint.load_network", spoil)
    assert main([str(make_checkpoint("bart")), "--texts", str(text)]) == 1
    assert "0 of 1 texts agree" in capsys.readouterr().out


def test_a_folder_that_is_no_checkpoint_is_one_line(tmp_path, capsys):
    assert run_and_report(main, [str(tmp_path)]) == 2
    assert "no config.json" in capsys.readouterr().err
