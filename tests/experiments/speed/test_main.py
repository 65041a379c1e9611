"""The command: settings, rows, and a trial of the whole path."""

import importlib
import json

import pytest

from experiments.record.lines import measurement_lines
from experiments.speed import rows, train
from experiments.speed.rows import Row, as_json, show
from system.options import run_and_report

speed = importlib.import_module("experiments.speed.__main__")


def row(name="training, shape A", ratio=1.5, **more):
    values = {"median": ratio, "min": ratio, "max": ratio, "rounds": 2}
    return Row(name, "tokens/s", [100.0, 300.0], {"BART": [50.0, 70.0]}, values, "BART", **more)


def test_a_row_knows_its_target_and_whether_it_is_met():
    assert row().target == {"target": "at least 1.2, 1.3 aimed at", "met": True}
    assert row(ratio=1.1).target["met"] is False
    assert row("something else").target == {"target": "reported", "met": None}


def test_rows_are_keyed_by_name_and_results_takes_them(tmp_path):
    facts = {"machine": "2 cores", "threads": 2}
    found = as_json([row(), row("b")], ["experiments.speed", "--json", "x.json"], facts)
    assert list(found) == ["training, shape A", "b", "machine"] and found["machine"] == facts
    assert found["b"]["ours"] == [100.0, 300.0] and found["b"]["peers"] == {"BART": [50.0, 70.0]}
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(found))
    lines = measurement_lines(file, "speed")
    assert [line["row"] for line in lines] == ["training, shape A", "b"]
    assert lines[0]["machine"] == "2 cores" and lines[0]["command"] == "python -m experiments.speed"


def test_the_table_lines_up(capsys):
    show([row(), row("a much longer name than the other one", ratio=12.25)])
    lines = capsys.readouterr().out.splitlines()
    assert len({line.index("BART") for line in lines[1:]}) == 1 and "12.25 (12.25 to 12.25)" in lines[2]
    assert rows.amount(0.5, "share") == "50.0%"


def test_a_peer_that_is_not_installed_is_a_line(monkeypatch, capsys):
    monkeypatch.setattr(train, "find_spec", lambda name: None if name == "x_transformers" else object())
    assert "x-transformers" not in train.installed_peers(train.TRAINING_PACKAGES)
    assert capsys.readouterr().out.startswith("x-transformers: x_transformers is not installed (pip install")


def test_without_django_shape_b_is_a_line(capsys, tmp_path):
    settings = speed.Settings(django=str(tmp_path))
    assert train.shape_b(settings, ["BART"]) == []
    assert capsys.readouterr().out.startswith(f"shape B: no Django in {tmp_path}")


def test_bad_settings_are_one_line(capsys, tmp_path, monkeypatch):
    assert run_and_report(speed.main, ["--json", str(tmp_path / "missing" / "rows.json")]) == 2
    assert run_and_report(speed.main, ["--rounds", "0"]) == 2
    assert run_and_report(speed.main, ["--only", "sleep"]) == 2
    monkeypatch.setenv("CI_STEPS", "few")
    assert run_and_report(speed.main, []) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "--json" in lines[0] and "rounds" in lines[1] and "sleep" in lines[2] and "CI_STEPS=few" in lines[-1]


@pytest.mark.slow
def test_a_trial_goes_the_whole_way_and_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CI_STEPS", "20")
    monkeypatch.setattr(train, "TRAINING_PACKAGES", {"nn.Transformer": "torch"})
    file, picture = tmp_path / "rows.json", tmp_path / "length.png"
    arguments = ["--only", "memory", "length", "--json", str(file), "--plot", str(picture), "--threads", "1"]
    assert speed.main(arguments) == 0
    printed = capsys.readouterr()
    assert "not results" in printed.err and "ms at peak" in printed.out
    found = json.loads(file.read_text())
    assert found["training, shape A, peak memory"]["peers"]["nn.Transformer"][0] > 0
    assert found["training, shape A, peak memory"]["command"].startswith("CI_STEPS=20 python -m experiments.speed")
    assert len(found["step against width"]["points"]) == 1 and picture.stat().st_size > 1000
    assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize("part", speed.SPEED_PARTS)
def test_every_part_can_be_asked_for(part):
    assert part in str(speed.Part)
