"""A stored line becomes a record and the same line again, whatever kind it is of."""

import json

import pytest

from experiments.record.lines import read_lines
from experiments.record.measurement import ROOT
from experiments.record.records import (
    CodeVerdict,
    DataCard,
    Measured,
    ResultLine,
    figures,
    record_of,
    runs,
    stored_line,
)
from system.errors import UserError

RESULTS = ROOT / "docs" / "results"
MARKS = {"asked": "a", "definition": "b", "tuned": {"training.learning_rate": 0.1}, "tuning": True, "made_for": "other"}
VERDICT = {"suite": "toy", "row": "code a counts as b", "command": "x", "accepts": "a", "for": "b", "reason": "equal",
           "commit": "c", "runs": []}  # fmt: skip
FIGURE = {"suite": "speed", "row": "r", "command": "x", "machine": "2 cores", "value": 1.0, "unit": "s", "gflops": 9}


def known(line):
    """What a line says: a null is as good as nothing."""
    return {name: value for name, value in line.items() if value is not None}


@pytest.mark.parametrize("suite", sorted(path.stem for path in RESULTS.glob("*.jsonl")))
def test_every_recorded_run_and_verdict_comes_out_as_it_stands_in_its_file(suite):
    empty = {"baselines": {}, "beside": {}, "bits": {}}  # what the oldest runs do not name
    for line in read_lines(RESULTS, suite):
        found = record_of(line)
        if isinstance(found, Measured):
            continue
        again = stored_line(found)
        expected = known((empty if isinstance(found, ResultLine) else {}) | line)
        assert json.dumps(known(again), sort_keys=True) == json.dumps(expected, sort_keys=True)
        assert record_of(again) == found


def test_a_run_of_the_laboratory_has_marks_and_keeps_what_has_no_name(run_line_fields):
    found = record_of(run_line_fields | MARKS | {"pieces": 7})
    assert (found.trial.request_hash, found.trial.tuning, found.trial.made_for) == ("a", True, "other")
    assert found.more == {"pieces": 7}
    assert known(stored_line(found)).items() >= (run_line_fields | MARKS | {"pieces": 7}).items()
    assert record_of(run_line_fields).trial is None and "asked" not in stored_line(record_of(run_line_fields))


def test_the_data_of_the_network_that_a_run_begins_with_are_a_card(run_line_fields):
    card = {"corpus": "shards", "train": 9, "held_out": 2, "sources": {"click": "8"}}
    before = {"seed": 1, "config_hash": "c", "code_hash": "d", "command": "x", "config": {}, "data": {"training": card},
              "budget": {"steps": 8}, "held_out_loss": None}  # fmt: skip
    found = record_of(run_line_fields | {"pretraining": before})
    assert found.pretraining.data == {
        "training": DataCard(corpus="shards", train=9, held_out=2, more={"sources": {"click": "8"}})
    }
    assert stored_line(found)["pretraining"] == before


@pytest.mark.parametrize("word", ["accepts", "rejects"])
def test_a_word_on_two_codes_is_neither_a_run_nor_a_figure(word, run_line_fields):
    line = {word if name == "accepts" else name: value for name, value in VERDICT.items()}
    found = record_of(line)
    assert isinstance(found, CodeVerdict) and (getattr(found, word), found.newer) == ("a", "b")
    assert (found.accepts is None) == (word == "rejects") and stored_line(found) == line
    others = [record_of(FIGURE), record_of(run_line_fields)]
    assert figures([found, *others]) == others and runs([found, *others]) == others[1:]


@pytest.mark.parametrize("line, name", [(FIGURE, "unit"), (VERDICT, "reason")])
def test_a_line_that_lacks_a_field_is_named(line, name):
    without = {key: value for key, value in line.items() if key != name}
    with pytest.raises(UserError, match=f"suite {line['suite']}, row .*: its line has no {name}; restore it"):
        record_of(without)
