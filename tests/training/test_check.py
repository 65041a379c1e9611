"""`python train.py files ... --check` says all that a run would say and more, and writes nothing but refused rows."""

import json
import re

import pytest

import train
from system.options import run_and_report

TINY = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1
    --model.n_decoder_layers 1""".split()
LONG = json.dumps({"nl": "x", "code": "long " * 300}) + "\n"
SQL = "SELECT a{} FROM t;"


def rows_in(path, n=40, code=SQL, first=0, more=""):
    rows = [json.dumps({"nl": f"show {i}", "code": code.format(i)}) + "\n" for i in range(first, n)]
    path.write_text("".join(rows) + more)


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """check(*options): exit status and the lines on stderr, in an empty folder to work in."""
    (tmp_path / "here").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def check(*options):
        command = ["files", "--data.path", str(tmp_path / "data"), "--check", *TINY, *options]
        status = run_and_report(train.main, command)
        return status, capsys.readouterr().err.splitlines()

    return check


def test_data_that_are_fine_are_said_to_be_and_nothing_is_written(check, tmp_path):
    rows_in(tmp_path / "data" / "train.jsonl")
    rows_in(tmp_path / "data" / "test.jsonl", 50, first=40)
    status, lines = check("--training.warmup_steps", "2")
    assert status == 0 and not list((tmp_path / "here").iterdir())
    assert "language    sql, as 36 pairs looked at seem to be (another: --data.language NAME)" in lines
    assert re.fullmatch(r"training: \d+ steps", lines[-2]) and lines[-1].startswith("checked; nothing was trained")
    assert len(lines) == 9, "the overview's seven and these"


def test_everything_that_is_wrong_is_said_at_once(check, tmp_path):
    rows_in(tmp_path / "data" / "train.jsonl", more='{"nl": "cut\n' + LONG)
    rows_in(tmp_path / "data" / "dev.jsonl", 10)
    status, lines = check("--training.epochs", "1", "--data.held_out", "0")
    said = "\n".join(lines)
    assert status == 0
    assert "train: 1 rows that cannot be used stand in train.refused.jsonl" in said
    assert "training: 1 records not JSON" in said and "dev: all 10 pairs stand in training too" in said
    assert "training: 1 records skipped: longer than 256 + 256 tokens (first: train.jsonl:42)" in said
    assert re.search(r"training: all of its \d+ steps are warm-up: --training.warmup_steps is 200; lower it", said)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["train.refused.jsonl"]
    assert len(lines) == len({*lines}), "nothing is said twice"


def test_with_steps_instead_of_epochs_the_long_ones_are_counted_too(check, tmp_path):
    rows_in(tmp_path / "data" / "train.jsonl", more=2 * LONG)
    _, lines = check("--training.steps", "300", "--data.held_out", "0")
    assert [line for line in lines if "longer" in line] == [
        "training: 2 records skipped: longer than 256 + 256 tokens (first: train.jsonl:41, train.jsonl:42)"
    ]


def test_a_broken_test_record_is_refused_with_all_of_its_kind(check, tmp_path):
    rows_in(tmp_path / "data" / "train.jsonl")
    rows_in(tmp_path / "data" / "test.jsonl", more='{"nl": "cut\n["no object"]\n')
    status, lines = check()
    assert status == 2 and "test.refused.jsonl" in "\n".join(lines)
    assert lines[-1].startswith("error: ") and "test.jsonl:41" in lines[-1] and "mend this test record" in lines[-1]
    assert (tmp_path / "here" / "test.refused.jsonl").read_text() == '{"nl": "cut\n["no object"]\n'


def test_a_broken_test_record_stops_a_run_before_it_begins(check, tmp_path, capsys):
    rows_in(tmp_path / "data" / "train.jsonl")
    rows_in(tmp_path / "data" / "test.jsonl", 3, more='{"nl": "lone \\ud800", "code": "x"}\n')
    options = ["files", "--data.path", str(tmp_path / "data"), *TINY, "--run", "run"]
    assert run_and_report(train.main, options) == 2
    said = capsys.readouterr().err
    assert "test.jsonl:4: " in said and "mend this test record" in said and said.count("\n") == 1
    assert not list((tmp_path / "here").iterdir())


def test_a_run_that_is_there_is_no_hindrance_and_is_left_alone(check, tmp_path):
    rows_in(tmp_path / "data" / "train.jsonl")
    (tmp_path / "here" / "run").mkdir()
    (tmp_path / "here" / "run" / "notes.txt").write_text("mine")
    assert check("--run", "run")[0] == 0
    assert [path.name for path in (tmp_path / "here" / "run").iterdir()] == ["notes.txt"]
    status, lines = check("--run", "run", "--resume")
    assert status == 2 and "leave --resume or --check out" in lines[-1]


@pytest.mark.parametrize(("code", "given", "said"), [
    ("x + {}", "", "python, as 36 pairs looked at seem to be"),
    (SQL, "python", "python, but its code looks like sql"),
    (SQL, "SQL", "sql, as 36 pairs looked at seem to be"),
    ("#{:06x}", "", "text, as 36 pairs looked at seem to be"),
    ("#{:06x}", "python", "python (another: --data.language NAME)"),
    ("x + {}", "klingon", "klingon, but its code looks like python"),
])
def test_the_language_is_said_and_what_the_code_looks_like(check, tmp_path, code, given, said):
    rows_in(tmp_path / "data" / "train.jsonl", code=code)
    _, lines = check(*(["--data.language", given] if given else []))
    assert [line for line in lines if line.startswith("language    " + said)], lines
    assert any("have no token of python" in line for line in lines) == (code[0] == "#" and given == "python")
