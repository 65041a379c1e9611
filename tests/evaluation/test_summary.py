"""What a person reads in the terminal."""

import json
from pathlib import Path

import pytest

from data.example import Example
from evaluation.evaluate import Scored
from evaluation.finished_run import RunFolder
from evaluation.metrics import WITHOUT_BLEU, score_predictions
from evaluation.programs.run import Outcome
from evaluation.summary import examples_shown, score_table, show_results, write_scores_json

SCORE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 4}


def scored(n=4, outcomes=None):
    references = [Example(f"e:{i}", f"describe {i}", f"code_{i}") for i in range(n)]
    return Scored("dev", references, [f"code_{i}" if i else "" for i in range(n)], outcomes, {"exact_match": SCORE})


def test_shares_are_percent_with_their_interval_and_baselines_stand_below():
    lines = score_table(
        [scored()], RunFolder(Path(), baselines={"nearest": {"dev": {"exact_match": SCORE | {"value": 0.3}}}})
    ).splitlines()
    assert "50.0% (25.0-75.0)" in lines[2] and "30.0% (25.0-75.0)" in lines[3]
    assert lines[2].split()[:2] == ["dev", "4"] and lines[3].startswith("  nearest")


def test_a_perturbed_split_has_no_baseline():
    run = RunFolder(Path(), baselines={"nearest": {"dev": {"exact_match": SCORE}}})
    typos = Scored("dev_typos", [Example("t", "d", "c")], ["c"], None, {"exact_match": SCORE})
    names = [line.split()[0] for line in score_table([scored(), typos], run).splitlines()[2:]]
    assert names == ["dev", "nearest", "dev_typos"]


def test_what_was_not_scored_is_a_dash():
    other = Scored("test", [Example("t", "d", "c")], ["c"], None, {"bleu": SCORE | {"value": 12.0}})
    lines = score_table([scored(), other], RunFolder(Path())).splitlines()
    assert lines[2].endswith("-") and "12.0 (0.2-0.8)" in lines[3]


def test_every_verdict_is_said():
    refused = [Outcome(False, "refused", "import os"), *[Outcome(True, "passed", "")] * 3]
    text = examples_shown(scored(outcomes=refused))
    assert "-> refused: import os" in text and "-> passed its tests" in text and "(nothing)" in text
    assert "-> the reference: code_0" in examples_shown(scored()) and "equals the reference" in examples_shown(scored())


def test_five_examples_of_a_long_split_and_all_of_a_short_one():
    assert examples_shown(scored(103)).count("->") == 5
    assert examples_shown(scored(2)).count("->") == 2


def test_a_run_without_scores_says_why(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    show_results(tmp_path, [], {})
    said = capsys.readouterr().out
    assert "No scores" in said and str(tmp_path / "report.html") in said


@pytest.mark.parametrize(("codes", "said"), [
    (["pass"] * 3, True), (["a b c", "x"], True), (["a b c d"], False), (["pass", "f(x, y)"], False), (["x + 1"], True),
])
def test_a_bleu_of_references_that_are_too_short_for_it_gets_a_word(tmp_path, capsys, codes, said):
    references = [Example(f"e:{i}", "do it", code) for i, code in enumerate(codes)]
    scores = score_predictions(references, codes)
    (tmp_path / "scores.json").write_text(json.dumps({"dev": scores}))
    lines = [json.dumps({"split": "dev", "reference": code, "prediction": code}) for code in codes]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines))
    assert scores["exact_match"]["value"] == 1 and (scores["bleu"]["value"] < 1) == said
    show_results(tmp_path, [Scored("dev", references, codes, None, scores)], {})
    assert (f"dev: {WITHOUT_BLEU}" in capsys.readouterr().out) == said
    assert (f"dev: {WITHOUT_BLEU}" in (tmp_path / "report.html").read_text()) == said


def test_the_table_is_also_there_as_json(tmp_path):
    (tmp_path / "scores.json").write_text('{"dev": {}, "baselines": {}}')
    write_scores_json(tmp_path / "elsewhere" / "mine.json", tmp_path)
    assert (tmp_path / "elsewhere" / "mine.json").read_text() == '{"dev": {}, "baselines": {}}'


def test_what_a_split_is_to_be_compared_with_stands_below_it():
    run = RunFolder(Path(), beside={"gold_parses": {"dev": 0.6}})
    new = SCORE | {"value": 0.75, "n": 2}
    shown = scored()
    shown.scores.update({"tests_passed": SCORE, "parses": SCORE, "tests_passed_new_programs": new})
    lines = score_table([shown], run).splitlines()
    assert lines[3].split()[:6] == ["of", "these,", "new", "programs", "2", "75.0%"]
    assert lines[4].startswith("  the references") and lines[4].endswith("60.0%")


def test_code_that_differs_in_blanks_alone_is_said_to_equal_the_reference():
    blank = Scored("dev", [Example("e", "call f", "f(x)")], ["f ( x )"], None, {})
    assert "equals the reference" in examples_shown(blank)
