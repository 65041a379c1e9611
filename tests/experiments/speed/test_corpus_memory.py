"""The memory of a build and its reader: the measurement at a small size, and its promise at two larger ones (slow)."""

import json

import pytest

from experiments.speed.corpus_memory import STAGES, main
from system.options import run_and_report


def measured(tmp_path, *words):
    """{row: value} of a measurement."""
    assert run_and_report(main, [*words, "--json", str(tmp_path / "rows.json")]) == 0
    return {row["row"]: row for row in json.loads((tmp_path / "rows.json").read_text())}


@pytest.mark.slow
def test_both_steps_are_measured_at_both_sizes(tmp_path, capsys):
    rows = measured(tmp_path, "--small", "100000", "--large", "200000", "--batches", "50")
    assert set(rows) == {f"corpus, memory of {step}" for step in STAGES}
    for row in rows.values():
        small, large = row["sizes"]["100000"], row["sizes"]["200000"]
        assert small["peak_mib"] > 20 and large["seconds"] > 0
        assert row["value"] == pytest.approx(large["peak_mib"] / small["peak_mib"], abs=0.02)
    assert "building (MiB)" in capsys.readouterr().out


@pytest.mark.slow
def test_ten_times_the_corpus_needs_hardly_more_memory(tmp_path):
    rows = measured(tmp_path, "--small", "20000000", "--large", "200000000", "--batches", "500")
    for row in rows.values():
        assert row["value"] <= 1.15, row
