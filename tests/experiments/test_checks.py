"""The checks measure a child, keep nothing of a failure, and their rows are what docs/targets.md looks for."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import checks
from experiments.record import measurement
from experiments.record.measurement import ROOT
from experiments.record.records import record_of
from experiments.results.__main__ import main as results
from experiments.results.readme import readme_table
from system.options import run_and_report

ENVIRONMENT = {
    "cores": 2, "processor": "Toy", "threads": 2, "python": "3.11.7", "libraries": {"torch": "2.13.0"},
    "commit": "abc", "date": "2026-01-01", "code_hash": "c0de",
}


@pytest.fixture
def quickstart(tmp_path, monkeypatch):
    """A quick start that is said to have taken 700 s and 2,100 MiB."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    watched = SimpleNamespace(status=0, seconds=700.04, peak_mib=2100.0, measure="PSS")
    monkeypatch.setattr(checks, "watch", lambda command: watched)
    return watched


def test_rows_of_the_quick_start_stand_in_the_readme(quickstart, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("CI_STEPS", raising=False)
    file = tmp_path / "rows.json"
    assert checks.main(["quickstart", "--run", str(tmp_path / "run"), "--json", str(file)]) == 0
    assert results(["measured", str(file), "--suite", "checks"], tmp_path) == 0
    lines = [json.loads(line) for line in (tmp_path / "docs/results/checks.jsonl").read_text().splitlines()]
    assert [line["met"] for line in lines] == [True, False] and lines[0]["code_hash"] == "c0de"
    assert lines[0]["command"] == "python -m experiments.checks quickstart --run PATH"
    table = readme_table({"checks": [record_of(line) for line in lines]}).splitlines()
    assert "11.7 min; met" in next(row for row in table if "wall time |" in row)
    assert "2,100 MiB; **not met**" in next(row for row in table if "quick start, peak memory" in row)


def test_a_quick_start_that_fails_leaves_no_rows(quickstart, tmp_path, capsys):
    quickstart.status = 2
    file = tmp_path / "rows.json"
    assert run_and_report(checks.main, ["quickstart", "--run", str(tmp_path / "run"), "--json", str(file)]) == 2
    assert not file.exists() and "ended with status 2" in capsys.readouterr().err


def test_setting_up_is_not_counted_among_the_tests(quickstart, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(checks, "watch", lambda command: ran.append(command) or quickstart)
    monkeypatch.setattr(
        checks.subprocess, "run", lambda command, **_: ran.append(command) or SimpleNamespace(returncode=0)
    )
    monkeypatch.setattr(checks, "facts_asked_of", lambda python: measurement.facts_of(ENVIRONMENT))
    monkeypatch.setenv("VENV", ".env")
    assert checks.main(["test"]) == 0
    assert ran == [["make", ".env/.installed-test"], ["make", "test"]]
    assert capsys.readouterr().out == "make test: 700.0 s\n"


def test_a_corpus_is_built_once_and_asked_for_once_more(monkeypatch, capsys):
    ran = []

    def watched(command):
        ran.append(command)
        card = {"characters": 400, "code_by_language": {"python": 300e6}, "bytes_read": 500e6,
                "sources": [{"characters": 100}, {"characters": 300}]}  # fmt: skip
        Path(command[command.index("--json") + 1]).write_text(json.dumps(card))
        return SimpleNamespace(status=0, seconds=100.0 if len(ran) == 1 else 1.5)

    monkeypatch.setattr(checks, "watch", watched)
    assert checks.main(["corpus"]) == 0
    assert len(ran) == 2 and ran[0] == ran[1] and ran[0][1:4] == ["-m", "data", "build"]
    assert capsys.readouterr().out.splitlines() == [
        "mined corpus, built: 100.0 s", "mined corpus, files read: 5.0 MB/s", "mined corpus, from the cache: 1.5 s",
        "mined corpus, Python: 300.0 MB", "mined corpus, largest package: 75.0 %",
    ]  # fmt: skip


def test_matching_is_learned_by_a_pretrained_encoder_and_held_against_the_words(tmp_path, monkeypatch, capsys):
    ran, run = [], tmp_path / "match"
    run.mkdir()
    (run / "environment.json").write_text(json.dumps(ENVIRONMENT))
    found = {"matching_accuracy": 0.7, "matching_bag_of_words": 0.625, "matching_questions": 80,
             "matching_by_function": [[2, 2, 1]] * 6 + [[2, 1, 1]] * 28 + [[2, 2, 2]] * 6}  # fmt: skip
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1}) + "\n" + json.dumps(found) + "\n")
    monkeypatch.setattr(checks, "run_child", lambda command, _: ran.append(command) or 0)
    assert checks.main(["matching", "--run", str(run), "--json", str(tmp_path / "rows.json")]) == 0
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["value"], row["unit"], row["n"], row["met"]) == (7.5, "points", 80, True)
    assert 0 < row["low"] < 7.5 < row["high"] < 20 and row["functions"] == 40
    first, second = ({*command} for command in ran)
    assert "--model.mlm_head" in first and "--model.match_head" in second
    assert ran[0][3] == f"{run}-mlm" == ran[1][ran[1].index("--init.from") + 1]


def test_another_python_tells_its_versions():
    facts = checks.facts_asked_of(sys.executable)
    assert facts["versions"]["python"] and facts["versions"]["torch"] and facts["code_hash"] and facts["machine"]


def test_the_watching_process_has_not_loaded_torch():
    code = "import sys, experiments.checks, experiments.record.memory; sys.exit('torch' in sys.modules)"
    pytest.importorskip("psutil")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checks, "watch", lambda command: pytest.fail("it ran"))
    assert run_and_report(checks.main, ["quickstart", "--json", str(tmp_path / "missing" / "rows.json")]) == 2
    assert "--json" in capsys.readouterr().err
