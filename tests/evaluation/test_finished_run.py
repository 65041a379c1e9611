"""A run folder that holds values of odd types is refused in one line that names file, place and value."""

import json

import pytest

from evaluation.finished_run import read_run_folder
from evaluation.report.page import page_of
from system.errors import UserError

SCORE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 2}
LINE = {"split": "dev", "id": "1", "nl": "a", "reference": "x", "prediction": "y", "exact": False, "score": 1}
WHOLE = {
    "scores.json": {
        "dev": {"exact_match": SCORE, "bleu": SCORE}, "baselines": {"nearest": {"dev": {"exact_match": SCORE}}},
        "by_length": {"dev": {"exact_match": [SCORE | {"shortest": 1, "longest": 3}]}}, "gold_parses": {"dev": 1.0},
    },
    "environment.json": {"command": ["train.py"], "seed": 1, "threads": 2, "processor": "p", "cores": 2},
    "budget.json": {"steps": 3, "seconds": 2.5, "peak_memory_mib": 10}, "metrics.jsonl": [{"step": 1, "loss": 2.0}],
    "predictions.jsonl": [LINE],
    "attention.json": [{"source": ["a"], "target": ["b"], "weights": [[1.0]], "copy": [0.5]}],
}  # fmt: skip
PLACES = [
    ("scores.json", "dev"), ("scores.json", "dev", "exact_match", "value"), ("scores.json", "baselines", "nearest"),
    ("scores.json", "by_length", "dev", "exact_match", 0, "longest"), ("scores.json", "gold_parses"),
    ("environment.json", "command"), ("environment.json", "processor"), ("environment.json", "seed"),
    ("budget.json", "seconds"), ("metrics.jsonl", 0, "loss"), ("metrics.jsonl", 0), ("predictions.jsonl", 0, "nl"),
    ("predictions.jsonl", 0, "reference"), ("predictions.jsonl", 0, "score"), ("attention.json", 0, "weights", 0, 0),
    ("attention.json", 0, "source"), ("attention.json", 0), ("attention.json",), ("scores.json",), ("budget.json",),
]  # fmt: skip
ODD = [[[None]], {"a": [None]}, "\x1b[2J", 10**400, -1.5]


def write(folder, files):
    for name, value in files.items():
        lines = name.endswith(".jsonl") and isinstance(value, list)
        text = "".join(json.dumps(line) + "\n" for line in value) if lines else json.dumps(value)
        (folder / name).write_text(text)


def with_value(tree, place, value):
    """The tree with another value at a place."""
    if not place:
        return value
    copy = dict(tree) if isinstance(tree, dict) else [*tree]
    copy[place[0]] = with_value(tree[place[0]], place[1:], value)
    return copy


def test_the_whole_run_is_read(tmp_path):
    write(tmp_path, WHOLE)
    assert "Attention" in page_of(read_run_folder(tmp_path, {}))


@pytest.mark.parametrize("place", PLACES)
def test_a_value_of_an_odd_type_gets_one_line_or_does_not_matter(tmp_path, place):
    refused = 0
    for value in ODD:
        write(tmp_path, with_value(WHOLE, place, value))
        try:
            page_of(read_run_folder(tmp_path, {}))
        except UserError as error:
            refused += 1
            assert place[0] in str(error) and "\n" not in str(error) and "\x1b" not in str(error)
    assert refused >= 2
