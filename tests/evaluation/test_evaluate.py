"""A model and its test lines become scores that skip nothing and know what was trained on."""

import json
from itertools import count

import pytest
import torch

from data.config import DataConfig
from data.corpora.held_out import data_hash, older_data_hash
from data.sources import open_source
from data.splits import read_splits
from data.tokenizers.tokenizer import train_tokenizer
from evaluation import evaluate
from evaluation.config import EvaluationConfig
from evaluation.evaluate import evaluate_run
from evaluation.n_best import Reverse
from evaluation.predict import Candidate
from evaluation.programs.run import Outcome
from model.config import preset
from model.ensemble import Ensemble
from model.fast import make_network
from system.errors import UserError


def alone(codes):
    """Codes as decoding gives them: one candidate each."""
    return [[Candidate(code, 0.0)] for code in codes]


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def pair(n):
    return {"nl": f"add {n}", "code": f"x += {n}"}


@pytest.fixture
def score(tmp_path):
    """score(config, **data settings): the results of a small random network on the data folder, and scores.json."""

    def score(config=None, seed=1, corpus="files", partners=(), reverse="", **data):
        tokenizer = train_tokenizer([f"{p['nl']} {p['code']}" for p in map(pair, range(30))], 400)
        torch.manual_seed(0)
        sizes = preset("modern", vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=16)
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        (run / "config.json").write_text("{}")
        data = DataConfig(**{"path": str(tmp_path / "data")} | data)
        config = config or EvaluationConfig(max_new_tokens=4)
        model = make_network(sizes, tokenizer.pad_id)
        if partners:
            model = Ensemble([model, model], partners)
        backward = Reverse(reverse, model, tokenizer, 64) if reverse else None
        results = evaluate_run(run, model, tokenizer, corpus, data, config, seed, backward)
        return results, json.loads((run / "scores.json").read_text())

    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train.jsonl", [pair(n) for n in range(30)])
    return score


def test_every_line_is_scored_and_written_down(score, tmp_path, monkeypatch):
    write(tmp_path / "data" / "test.jsonl", [pair(1), {"nl": "", "code": ""}, {"nl": "word " * 400, "code": "y"}])
    predictions = iter([["x += 1", "", "z"]])
    monkeypatch.setattr(evaluate, "predict_candidates", lambda *_: (alone(next(predictions)), 1))
    results, scores = score()
    assert [scored.split for scored in results] == ["test"]
    assert scores["test"]["exact_match"]["n"] == 3
    assert scores["test"]["exact_match"]["value"] == pytest.approx(1 / 3), "nothing is never right, not even there"
    assert scores["test"]["exact_match_without_duplicates"]["n"] == 2  # "add 1" stands in training
    lines = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    assert [(line["exact"], line["passed"]) for line in lines] == [(True, None), (False, None), (False, None)]
    assert scores["baselines"]["nearest description"]["test"]["exact_match"]["n"] == 3
    assert (tmp_path / "run" / "attention.json").exists()


def test_the_limit_takes_the_first_lines_of_each_split(score, tmp_path):
    for name in ("dev", "test"):
        write(tmp_path / "data" / f"{name}.jsonl", [pair(n) for n in range(100, 110)])
    results, _ = score(EvaluationConfig(max_new_tokens=2, limit=3))
    assert {scored.split: [e.nl for e in scored.references] for scored in results} == {
        split: ["add 100", "add 101", "add 102"] for split in ("dev", "test")
    }


def test_without_a_test_file_what_was_held_out_of_training_is_scored(score, tmp_path):
    results, scores = score()
    data = DataConfig(path=str(tmp_path / "data"))
    assert results[0].split == "held_out"
    assert results[0].references == read_splits("files", data, 1).held_out
    trained = read_splits("files", data, 1).train
    assert not {e.id for e in trained} & {e.id for e in results[0].references}
    assert scores["held_out"]["exact_match_without_duplicates"]["n"] == 3


def test_held_out_lines_of_another_file_are_not_scored(score, tmp_path):
    data = DataConfig(path=str(tmp_path / "data"))
    score()
    trained = read_splits("files", data, 1).train
    for known in (older_data_hash(trained), data_hash(trained)):  # of a run of older code, of one of today's
        (tmp_path / "run" / "environment.json").write_text(json.dumps({"data_hash": known}))
        score()
    write(tmp_path / "data" / "train.jsonl", [pair(n) for n in range(60)])
    with pytest.raises(UserError, match="not what .* was trained on"):
        score()


def test_a_partner_that_was_trained_on_held_out_lines_writes_none_of_them(score, tmp_path):
    """A run with another seed holds out other lines."""
    partner = tmp_path / "partner"
    partner.mkdir()
    learnt = read_splits("files", DataConfig(path=str(tmp_path / "data")), 2).train
    (partner / "environment.json").write_text(json.dumps({"data_hash": data_hash(learnt)}))
    with pytest.raises(UserError, match="partner .* held out other lines"):
        score(partners=[str(partner)])


def test_a_reverse_model_that_was_trained_on_held_out_lines_chooses_none_of_them(score, tmp_path):
    other = tmp_path / "reverse"
    other.mkdir()
    for seed in (1, 2):
        learnt = read_splits("files", DataConfig(path=str(tmp_path / "data"), reverse=True), seed).train
        (other / "environment.json").write_text(json.dumps({"data_hash": data_hash(learnt)}))
        if seed == 2:
            with pytest.raises(UserError, match="reverse .* held out other lines"):
                score(EvaluationConfig(beam=2, max_new_tokens=4), reverse=str(other))
        else:
            score(EvaluationConfig(beam=2, max_new_tokens=4), reverse=str(other))


def test_a_part_that_every_run_holds_out_is_scored_whatever_it_was_trained_on(score, tmp_path):
    """CoNaLa without a test file: what is held out goes by a hash of the code, not by the seed."""
    rows = [{"intent": f"add {n} to the total", "code": f"total += {n}"} for n in range(100)]
    (tmp_path / "data" / "train.json").write_text(json.dumps(rows))
    score(corpus="conala")
    (tmp_path / "run" / "environment.json").write_text(json.dumps({"data_hash": "of other lines"}))
    results, _ = score(corpus="conala")
    assert [scored.split for scored in results] == ["held_out"] and results[0].references


def test_nothing_to_score_is_said_and_is_no_crash(score, tmp_path):
    results, scores = score(held_out=0)
    assert results == [] and scores["baselines"] == {}


def test_programs_that_are_not_trusted_are_refused_counted_and_said_in_one_line(score, tmp_path, monkeypatch, capsys):
    task = {"text": "add", "test_list": ["assert f(1) == 2"], "code": "def f(x): return x + 1"}
    write(tmp_path / "data" / "mbpp.jsonl", [task | {"task_id": n} for n in (11, 12, 601, 602)])
    monkeypatch.setattr(evaluate, "predict_candidates", lambda m, t, texts, *_: (alone([task["code"]] * len(texts)), 0))
    results, scores = score(corpus="mbpp")
    said = [line for line in capsys.readouterr().out.splitlines() if "were not run" in line]
    assert len(said) == 1 and said[0].startswith("test: 2 of 2 programs")
    assert [scored.split for scored in results] == ["test"]  # the file has no line of the dev split
    assert scores["test"]["tests_passed"]["value"] == 0 and scores["test"]["exact_match"]["value"] == 1


def test_the_share_on_new_programs_stands_beside(monkeypatch):
    source = open_source("generated", DataConfig(generated_train=200, generated_test=20), 1)
    splits = source.splits()
    list(splits.pop("train"))
    references = list(splits["in_distribution"])
    passed = count()
    monkeypatch.setattr(evaluate, "predict_candidates", lambda *_: (alone([""] * len(references)), 0))
    outcomes = [Outcome(next(passed) % 2 == 0, "passed", "") for _ in references]
    monkeypatch.setattr(evaluate, "run_programs", lambda *_: outcomes)
    scored = evaluate.evaluate_split(
        "in_distribution", references, [], None, None, DataConfig(), EvaluationConfig()
    )
    new = [o.passed for o, e in zip(outcomes, references, strict=True) if e.meta["normalised_is_new"]]
    assert scored.scores["tests_passed_new_programs"]["value"] == pytest.approx(sum(new) / len(new))
    assert scored.scores["tests_passed"]["n"] == len(references)


def test_perturbed_splits_stand_beside_their_own_with_a_robustness(score, tmp_path, monkeypatch):
    """A network that only knows descriptions by the letter: right on all, and on none that was changed."""
    lines = [{"nl": f"call the method and return number {n}", "code": f"f({n})"} for n in range(40)]
    for name in ("train", "test"):
        write(tmp_path / "data" / f"{name}.jsonl", lines)
    by_heart = {line["nl"]: line["code"] for line in lines}
    seen = []

    def predict_candidates(model, tokenizer, texts, *_):
        seen.extend(texts)
        return alone([by_heart.get(text, "") for text in texts]), 0

    monkeypatch.setattr(evaluate, "predict_candidates", predict_candidates)
    results, scores = score(EvaluationConfig(perturbed=True))
    assert [scored.split for scored in results] == ["test", "test_typos", "test_synonyms", "test_drops"]
    found = {scored.split: scored.scores for scored in results}
    assert scores["test_drops"]["robustness"] == {**found["test_drops"]["robustness"]}
    for kind in ("typos", "synonyms", "drops"):
        assert found[f"test_{kind}"]["robustness"]["value"] == found[f"test_{kind}"]["exact_match"]["value"] == 0
        assert "exact_match_without_duplicates" not in found[f"test_{kind}"]  # all are duplicates, as they were
    assert len(set(seen)) == 160
