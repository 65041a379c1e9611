"""The scorers of two trees are given the same predictions: equal ones say the same, a changed one is named."""

import ast
import json
import shutil

import pytest

from evaluation.finished_run import read_json_lines
from experiments.record.scorers import altered, first_other_figure, given_predictions, partly_altered, scored_figures
from experiments.record.trees import ROOT, Starter, Tree, train

CODE = "def f(xs):\n    return xs[0]"
TINY = (
    "generated", "--preset=none", "--model.d_model=16", "--model.n_heads=2", "--model.d_ff=16",
    "--model.n_encoder_layers=1", "--model.n_decoder_layers=1", "--data.vocab_size=400", "--data.batch_tokens=512",
    "--data.held_out=20", "--data.generated_train=300", "--data.generated_test=24", "--data.generated_operations=10",
    "--training.steps=2", "--evaluation.max_new_tokens=2", "--evaluation.time_limit=0.5",
)  # fmt: skip
PROGRAMS = (
    "data", "evaluation", "experiments", "model", "system", "teaching", "training", "train.py", "eval.py",
)  # fmt: skip


def test_every_third_prediction_is_altered_in_each_way_in_turn():
    found = partly_altered([CODE] * 27)
    assert [text == CODE for text in found] == [number % 3 != 2 for number in range(27)]
    assert found[2::3] == [*altered(CODE), altered(CODE)[0]] and len(set(altered(CODE))) == 8


def test_the_alterations_are_what_scorers_tell_apart():
    missing, other, endless, raising, removing, connecting, nothing, broken = altered(CODE)
    assert missing != CODE and other == "def f(xs):\n    return xs[00]" and nothing == ""
    for text in (endless, raising, removing, connecting):
        ast.parse(text)
    with pytest.raises(SyntaxError):
        ast.parse(broken)
    assert altered("")[0] == "" and altered("")[1] == "0"


def test_the_first_figure_that_is_another_one_is_named_and_one_that_is_new_is_none():
    old = {"scores.dev.bleu.value": 41.5, "scores.dev.bleu.low": float("nan")}
    assert first_other_figure(old, {**old, "scores.dev.rouge.value": 1.0}) == ""
    said = first_other_figure(old, {**old, "scores.dev.bleu.value": 41.6})
    assert said == "scores of the same predictions: scores.dev.bleu.value 41.6 instead of 41.5"
    assert first_other_figure(old, {"scores.dev.bleu.value": 41.5}).endswith("scores.dev.bleu.low is missing now")


@pytest.fixture(scope="module")
def starter():
    with Starter() as found:
        yield found


@pytest.mark.slow
def test_a_changed_scorer_is_named_and_an_equal_one_says_the_same(starter, tmp_path):
    here, there = Tree(ROOT, tmp_path / "cache"), Tree(tmp_path / "tree", tmp_path / "cache", "other")
    there.root.mkdir()
    for name in PROGRAMS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, there.root / name)
    train(starter, here, TINY, tmp_path / "run")
    given = tmp_path / "given.json"
    predictions = given_predictions(tmp_path / "run")
    given.write_text(json.dumps(predictions))

    def of(tree: Tree, name: str):
        return scored_figures(starter, tree, tmp_path / "run", given, tmp_path / name)

    before = of(here, "here")
    lines = read_json_lines(tmp_path / "here" / "predictions.jsonl")
    scored = {(line["split"], line["prediction"]): line for line in lines}
    split = next(iter(predictions))
    assert [text for name, text in scored if name == split] == list(dict.fromkeys(predictions[split]))
    statuses = [scored[split, text]["status"] for text in predictions[split]]
    assert statuses[0] == "passed" and statuses[8::3] == ["time", "failed", "refused", "refused", "failed", "failed"]
    assert first_other_figure(before, of(there, "there")) == ""

    metrics = there.root / "evaluation" / "metrics.py"
    metrics.write_text(metrics.read_text().replace("BLEU(force=True)", 'BLEU(force=True, smooth_method="none")'))
    assert "bleu" in first_other_figure(before, of(there, "smoothed otherwise"))
    metrics.write_text((ROOT / "evaluation" / "metrics.py").read_text())
    check = there.root / "evaluation" / "programs" / "check.py"
    check.write_text(check.read_text().replace("ast.While, ", ""))
    assert "status 'refused' instead of 'time'" in first_other_figure(before, of(there, "no loops"))
