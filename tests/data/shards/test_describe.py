"""What `python -m data describe` says of a corpus that was planted, and `build` without folders."""

import json

import pytest

import data.shards.command as command
from data.objectives.table import OBJECTIVES
from data.shards.command import Build, origins_of, run_build
from data.shards.describe import Describe, run_describe
from data.shards.sources import licence_of
from data.shards.store import read_card


@pytest.fixture
def described(folder, tmp_path, capsys):
    """(what is printed, the figures) of the planted folder."""
    place = tmp_path / "corpus"
    run_build(Build((str(folder),), str(place), vocab_size=600, workers=1, json=str(tmp_path / "card.json")))
    capsys.readouterr()
    run_describe(Describe(str(place), json=str(tmp_path / "figures.json")))
    return capsys.readouterr().out, json.loads((tmp_path / "figures.json").read_text()), place


def test_a_corpus_is_described_in_figures_a_picture_and_examples(described, tmp_path):
    said, figures, place = described
    assert (place / "corpus.png").read_bytes().startswith(b"\x89PNG")
    assert figures["lengths"]["description"]["n"] == figures["lengths"]["code of it"]["n"] == 72
    assert figures["card"] == read_card(place) and figures["vocabulary"]["pieces"] > 300
    assert figures["pieces per word"] >= 1 and 0 < figures["identifiers in one piece"] <= 1
    covered = figures["vocabulary"]["covered by the 1, 2, 4, ... most frequent"]
    assert covered == sorted(covered) and covered[-1] == pytest.approx(1)
    for what in ("words", "identifiers"):
        assert sum(figures[f"pieces of {what}"]) == pytest.approx(1)
    assert figures["pieces of words"][0] == pytest.approx(figures["words in one piece"])
    for shown in ("project", "left out:", "python", "per identifier", "as the folder says"):
        assert shown in said
    for name in OBJECTIVES:
        assert name == "rename" or any(lines.startswith(f"{name}, ") for lines in figures["shown"]), name
    spans = next(lines for lines in figures["shown"] if lines.startswith("span, "))
    assert "<extra_0>" in spans.split("target")[0] and "<extra_0>" in spans.split("target")[1]
    assert json.loads((tmp_path / "card.json").read_text())["seconds"] > 0


def test_without_folders_the_packages_are_mined(monkeypatch, capsys):
    monkeypatch.setattr(command, "default_packages", lambda: ("tqdm",))
    found = {origin.name: origin for origin in origins_of(Build())}
    assert found["python"].is_package and found["tqdm"].licence == licence_of("tqdm") and "MIT" in licence_of("tqdm")
    monkeypatch.setattr(command, "default_packages", lambda: ())
    assert [origin.name for origin in origins_of(Build())] == ["python"]
    assert "not installed" in capsys.readouterr().err
