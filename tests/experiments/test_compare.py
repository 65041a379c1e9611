"""Two runs beside each other: by hand where a hand can, and refusals where nothing can be compared."""

import json
from pathlib import Path

import pytest
from scipy import stats

from evaluation.finished_run import read_run_folder
from experiments.compare import compare, differing_settings, main, mcnemar
from system.errors import UserError


def make_run(folder: Path, right: list[bool], learning_rate: float = 1e-3, first_id: int = 0) -> Path:
    """A scored run: of each example whether it was right."""
    folder.mkdir()
    config = {"version": 1, "seed": 1, "run": str(folder), "training": {"learning_rate": learning_rate, "steps": 10}}
    (folder / "config.json").write_text(json.dumps(config))
    records = [
        {
            "split": "dev", "id": f"{first_id + n}", "nl": f"return x plus {n}", "reference": f"return x + {n} + y",
            "prediction": f"return x + {n} + y" if ok else "return y", "exact": ok, "passed": None,
        }
        for n, ok in enumerate(right)
    ]  # fmt: skip
    (folder / "predictions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    metrics = [{"step": step, "loss": 1 / step, "held_out_loss": 2 / step} for step in (1, 5, 10)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in metrics))
    (folder / "scores.json").write_text(json.dumps({"dev": {}}))
    return folder


def folder_of(run):
    """The run folder, with what its config.json says."""
    return read_run_folder(run, json.loads((run / "config.json").read_text()))


@pytest.mark.parametrize("only", [(0, 0), (1, 0), (3, 9), (20, 8), (7, 7)])
def test_mcnemar_is_twice_the_smaller_tail_of_a_fair_coin(only):
    n = sum(only)
    tail = sum(stats.binom.pmf(k, n, 0.5) for k in range(min(only) + 1))
    assert mcnemar(*only) == pytest.approx(min(1.0, 2 * tail))


def test_scores_are_paired(tmp_path):
    runs = make_run(tmp_path / "a", 12 * [True] + 8 * [False]), make_run(tmp_path / "b", 2 * [False] + 18 * [True])
    exact, bleu = compare(*map(folder_of, runs))[0]
    assert (exact.n, exact.first, exact.second, exact.only) == (20, 0.6, 0.9, (2, 8))
    assert exact.p == pytest.approx(mcnemar(2, 8)) == pytest.approx(0.109375)  # 2 (1 + 10 + 45) / 1024
    assert bleu.score == "bleu" and bleu.first < bleu.second < 100 and 0 < bleu.p < 1


def test_the_same_run_is_no_different_from_itself(tmp_path):
    runs = [make_run(tmp_path / name, 9 * [True] + [False]) for name in ("a", "b")]
    first, second = map(folder_of, runs)
    assert differing_settings(first, second) == []
    assert all(one.first == one.second and one.p > 0.3 for one in compare(first, second)[0])


def test_settings_that_differ_are_named_and_places_are_not(tmp_path):
    runs = [make_run(tmp_path / name, [True], rate) for name, rate in (("a", 1e-3), ("b", 2e-3))]
    assert differing_settings(*map(folder_of, runs)) == [("training.learning_rate", 1e-3, 2e-3)]


@pytest.mark.parametrize("other", [{"right": 3 * [True]}, {"right": 4 * [True], "first_id": 1}, {"right": []}])
def test_unequal_test_sets_are_refused(tmp_path, other):
    runs = make_run(tmp_path / "a", 4 * [True]), make_run(tmp_path / "b", **other)
    with pytest.raises(UserError, match="not the same in both runs|b on nothing"):
        main(list(map(str, runs)))


@pytest.mark.parametrize(
    ("change", "said"), [({"prediction": None}, "1.prediction is None, not text"), ({}, "no prediction there")]
)
def test_predictions_that_lack_what_is_compared_are_refused(tmp_path, change, said):
    run = make_run(tmp_path / "a", [True])
    record = json.loads((run / "predictions.jsonl").read_text())
    del record["prediction"]
    (run / "predictions.jsonl").write_text(json.dumps(record | change))
    with pytest.raises(UserError, match=said):
        main([str(run), str(make_run(tmp_path / "b", [True]))])


def test_the_command_shows_and_writes_what_it_found(tmp_path, capsys):
    right = {"a": [True, True, False, False], "b": [True, False, True, True]}
    runs = [make_run(tmp_path / name, of_run, 1e-3 if name == "a" else 2e-3) for name, of_run in right.items()]
    files = tmp_path / "c.png", tmp_path / "c.json"
    assert main([*map(str, runs), "--plot", str(files[0]), "--json", str(files[1])]) == 0
    said = capsys.readouterr().out
    assert "training.learning_rate" in said and "dev: 2 that only b gets right" in said
    assert "return x plus 2" in said and "      a\n        return y\n" in said
    assert json.loads(files[1].read_text())["scores"][0]["only"] == [1, 2] and files[0].stat().st_size > 5000
