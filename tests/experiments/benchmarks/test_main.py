"""The command on a toy corpus: it makes what is missing, goes on, scores, and says what it compares with."""

import json
from dataclasses import replace

import pytest

from experiments.benchmarks import __main__ as command
from experiments.benchmarks.recipes import Benchmark, Stage
from experiments.benchmarks.tables import page_section
from experiments.record.lines import read_suite
from experiments.results.__main__ import main as results
from system.options import run_and_report

TINY = ("--model.d_model", "16", "--model.n_heads", "2", "--model.d_ff", "16", "--model.n_encoder_layers", "1",
        "--model.n_decoder_layers", "1", "--data.vocab_size", "500", "--training.steps", "3")  # fmt: skip
RECIPE = Benchmark(
    stages=(Stage("tuned", TINY), Stage("reverse", (*TINY, "--data.reverse"))),
    scored="tuned", scoring=("--beam", "2", "--reverse", "{reverse}"), minutes=100, parameters=15e6,
)  # fmt: skip


@pytest.fixture
def cards(tmp_path):
    """Hearthstone with 60 training and 6 dev cards, one of which stands in training."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split, numbers in (("train", range(60)), ("dev", [*range(60, 65), 3])):
        (folder / f"{split}_hs.in").write_text("".join(f"Card {i} NAME_END\n" for i in numbers))
        (folder / f"{split}_hs.out").write_text("".join(f"class Card{i}:§    health = {i}\n" for i in numbers))
    return folder


@pytest.mark.slow
def test_a_result_is_made_by_one_command_and_goes_on(cards, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CI_STEPS", raising=False)
    monkeypatch.setitem(command.BENCHMARKS, "hearthstone", RECIPE)
    file = tmp_path / "rows.json"
    arguments = [
        "hearthstone", "--run", str(tmp_path / "runs"), "--data_path", str(cards), "--json", str(file)
    ]  # fmt: skip
    assert command.main(arguments) == 0
    said = capfd.readouterr().out
    assert "ASN + attention" in said and "79.2" in said and "of 100 minutes of 2 cores" in said
    assert "reverse  training step 3/3" in said  # two runs side by side, each line behind its name
    rows = {row["row"]: row for row in json.loads(file.read_text())}
    nearest = rows["hearthstone, dev, exact, nearest description"]
    assert (nearest["value"], nearest["n"], nearest["unit"]) == (pytest.approx(100 / 6, abs=0.01), 6, "%")
    assert rows["hearthstone, dev, new pairs, literature's BLEU"]["n"] == 5
    assert rows["hearthstone, dev, literature's BLEU"]["met"] is False
    one = rows["hearthstone, dev, exact"]["parameters"]
    sizes = [
        json.loads((tmp_path / "runs" / stage / "environment.json").read_text())["parameters"]
        for stage in ("tuned", "reverse")
    ]
    assert one == sum(sizes)
    seconds = [
        json.loads((tmp_path / "runs" / stage / "budget.json").read_text())["seconds"] for stage in ("tuned", "reverse")
    ]
    assert rows["hearthstone, dev, exact"]["minutes"] == pytest.approx(sum(seconds) / 120, abs=0.06)
    assert command.main(arguments) == 0
    assert capfd.readouterr().out.count("is finished") == 2
    assert results(["measured", str(file), "--suite", "benchmarks"], tmp_path) == 0
    lines = read_suite(tmp_path / "docs/results", "benchmarks")
    page = page_section("hearthstone", lines)
    assert "| dev, new pairs: one network, reverse reranker, beam 2" in page and "published: LPN" in page
    assert page_section("django", lines) == "Not run.\n"
    longer = replace(RECIPE, stages=(Stage("tuned", (*TINY, "--training.learning_rate", "2e-3")),), scoring=())
    monkeypatch.setitem(command.BENCHMARKS, "hearthstone", longer)
    assert run_and_report(command.main, arguments) == 2
    assert "other settings than today's recipe" in capfd.readouterr().err


def test_programs_of_a_network_are_not_run_unasked(capsys):
    assert run_and_report(command.main, ["mbpp"]) == 2
    assert "--run_untrusted" in capsys.readouterr().err


def test_a_stage_that_fails_ends_the_command(tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(command.BENCHMARKS, "hearthstone", RECIPE)
    missing = str(tmp_path / "missing")
    run = ["hearthstone", "--run", str(tmp_path / "runs"), "--data_path", missing]
    assert run_and_report(command.main, run) == 2
    said = capfd.readouterr()
    assert "does not exist" in said.out and "train.py" in said.err
