"""Kinds of lines, and who has them right, on lines that were worked out by hand."""

import json

import pytest

from data.example import Example
from evaluation.metrics import pack_bits
from experiments.record.records import record_of
from experiments.studies import line_kinds
from experiments.studies.line_kinds import kinds_of, lines_of, main, share_right
from system.options import run_and_report


def example(number, code):
    return Example(f"toy:{number}", "", code, "python")


def test_kinds_go_by_what_training_has_and_by_length():
    train = [example(0, "x = f ( 'a' )"), example(1, "return y")]
    references = [
        example(2, "y = x"), example(3, "z = x"), example(4, "x = f ( 'b' )"), example(5, "f ( x , x , x , x )"),
        example(6, "x = f ( 'a' )"),
    ]  # fmt: skip
    kinds = {kind: chosen.tolist() for kind, chosen in kinds_of(train, references).items()}
    assert kinds["every token is known"] == [True, False, False, False, True], "the comma is new"
    assert kinds["a new token, no string"] == [False, True, False, True, False]
    assert kinds["a new token, a string"] == [False, False, True, False, False]
    assert kinds["7 to 15 tokens"] == [False, False, False, True, False]


def test_a_row_is_the_mean_of_its_seeds(run_line_fields):
    lines = [run_line_fields | {"bits": {"dev": {"exact": pack_bits(bits)}}} for bits in ([1, 0, 1], [1, 0, 0])]
    assert share_right([record_of(line) for line in lines], "dev").tolist() == [1.0, 0.0, 0.5]


@pytest.mark.parametrize("codes, kept", [("aab", "aa"), ("ab", "b"), ("abba", "aa"), ("abbb", "bbb")])
def test_the_code_that_has_most_lines_counts_and_the_newest_of_several(codes, kept, run_line_fields):
    line = run_line_fields | {"row": "plain", "bits": {"dev": {"exact": "AA"}}}
    found = lines_of([record_of(line | {"code_hash": code}) for code in codes], "plain", "dev")
    assert "".join(line.code_hash for line in found) == kept


@pytest.fixture
def suite(tmp_path, monkeypatch, run_line_fields):
    """A suite of two rows on ten lines of Django."""
    data, results = tmp_path / "django", tmp_path / "docs" / "results"
    data.mkdir()
    results.mkdir(parents=True)
    (data / "all.anno").write_text("".join(f"line {i}\n" for i in range(16010)))
    (data / "all.code").write_text("".join(f"x = {i % 16000 if i < 16005 else i}\n" for i in range(16010)))
    config = {"corpus": "django", "data": {"held_out": 0}}
    line = run_line_fields | {"config": config}
    rights = {"plain": [1] * 5 + [0] * 5, "better": [1] * 10}
    rows = [line | {"row": row, "bits": {"dev": {"exact": pack_bits(bits)}}} for row, bits in rights.items()]
    (results / "toy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(line_kinds, "ROOT", tmp_path)
    return ["toy", "plain", "better", "--data_path", str(data)]


def test_the_table_says_where_two_rows_differ(suite, capsys):
    assert main(suite) == 0
    cells = {line[:24].strip(): line[24:].split() for line in capsys.readouterr().out.splitlines()[2:]}
    assert cells["all"] == ["10", "50.0", "100.0", "+50.0"]
    assert cells["every token is known"][-1] == "+0.0" and cells["a new token, no string"][-1] == "+100.0"


def test_a_row_that_is_not_there_is_named(suite, capsys):
    assert run_and_report(main, [*suite[:2], "worse", *suite[3:]]) == 2
    assert "'worse'" in capsys.readouterr().err
