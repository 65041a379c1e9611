"""`python train.py` as a newcomer and as a careless user type it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import train
from data.config import DataConfig
from data.corpora.held_out import older_data_hash
from data.splits import read_splits
from system.options import run_and_report

ROOT = Path(__file__).parents[1]
TINY = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --training.steps 3""".split()


def write_pairs(path, n=40):
    path.write_text("".join(json.dumps({"nl": f"add {i} to y", "code": f"y += {i}"}) + "\n" for i in range(n)))
    return path


def run_train(*options):
    return subprocess.run(
        [sys.executable, "train.py", *map(str, options)], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "CI_STEPS": ""},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run on one JSONL file with a cut line in it, and what the command said."""
    folder = tmp_path_factory.mktemp("train")
    pairs = write_pairs(folder / "pairs.jsonl")
    with open(pairs, "a") as file:
        file.write('{"nl": "cut in h\n')
    result = run_train("files", "--data.path", pairs, "--run", folder / "run", *TINY, "--training.bf16")
    assert result.returncode == 0, result.stderr
    return folder, result


def test_the_whole_way_from_a_file_to_scores(trained):
    folder, result = trained
    run = folder / "run"
    written = {path.name for path in run.iterdir()}
    assert {"config.json", "environment.json", "tokenizer.model", "model.safetensors", "checkpoints", "metrics.jsonl",
            "budget.json", "scores.json", "predictions.jsonl", "report.html"} <= written
    assert "held_out" in result.stdout and str(run / "report.html") in result.stdout
    assert json.loads((run / "scores.json").read_text())["held_out"]["exact_match"]["n"] == 4


def test_it_says_what_it_will_do_before_its_first_step(trained):
    folder, result = trained
    before, _, _ = result.stderr.partition("training step 1")
    assert "36 examples of files, 4 more held out; 3 steps" in before
    assert "pieces" in before and "parameters" in before and "cpu, 1 thread" in before
    assert result.stderr.count("memory  ") == 1 and "memory  " in before
    assert f"training: 1 records not JSON (cut in half?) (first: {folder / 'pairs.jsonl'}:41)" in before
    assert before.count("bf16") == 1  # that it is used, or that it cannot be


def test_the_whole_commands_time_stands_in_the_budget(trained):
    budget = json.loads((trained[0] / "run" / "budget.json").read_text())
    assert budget["wall_seconds"] > budget["seconds"] > 0
    assert budget["steps"] == 3


def refused(capsys, *options):
    """The one line that `python train.py OPTIONS` says, in this process."""
    assert run_and_report(train.main, [*map(str, options)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def test_a_finished_run_is_not_written_over(trained, capsys):
    folder, _ = trained
    weights = (folder / "run" / "model.safetensors").read_bytes()
    options = "files", "--data.path", folder / "pairs.jsonl", "--run", folder / "run"
    assert "--overwrite" in refused(capsys, *options)
    assert "choose another --run" in refused(capsys, "files", "--run", folder, *options[1:3])
    assert (folder / "run" / "model.safetensors").read_bytes() == weights


def test_a_run_does_not_go_on_with_other_data(trained, tmp_path, capsys):
    options = ["files", "--data.path", write_pairs(tmp_path / "a.jsonl"), "--run", tmp_path / "run", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "train", lambda *_: None)
        patch.setattr(train, "evaluate_run", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert "No space left" in capsys_line(capsys, options)
    assert (tmp_path / "run" / "model.safetensors").exists()
    write_pairs(tmp_path / "a.jsonl", 60)
    assert "the data of training are not those" in refused(capsys, "--run", tmp_path / "run", "--resume")


def test_the_same_pairs_under_another_name_are_the_same_data(trained, tmp_path):
    folder, _ = trained
    renamed = tmp_path / "renamed" / "mine.jsonl"
    renamed.parent.mkdir()
    shutil.copy(folder / "pairs.jsonl", renamed)
    before = json.loads((folder / "run" / "environment.json").read_text())
    result = run_train("files", "--data.path", renamed, "--run", tmp_path / "run", *TINY, "--training.bf16")
    after = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert before["data"] == after["data"], result.stderr
    for name in ("predictions.jsonl", "model.safetensors"):
        assert (folder / "run" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_a_run_goes_on_with_its_data_under_another_name_and_with_the_hash_of_older_code(tmp_path, capsys):
    options = ["files", "--data.path", write_pairs(tmp_path / "a.jsonl"), "--run", tmp_path / "run", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "train", lambda *_: None)
        patch.setattr(train, "evaluate_run", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert "No space left" in capsys_line(capsys, options)
        (tmp_path / "a.jsonl").rename(tmp_path / "b.jsonl")
        go_on = ["--run", tmp_path / "run", "--resume", "--data.path", tmp_path / "b.jsonl"]
        assert "No space left" in capsys_line(capsys, go_on)
        environment = json.loads((tmp_path / "run" / "environment.json").read_text())
        data = DataConfig(path=str(tmp_path / "b.jsonl"), language="python")
        environment["data"]["training"]["data_hash"] = older_data_hash(read_splits("files", data, 0).train)
        del environment["data"]["training"]["pairs_hash"]
        (tmp_path / "run" / "environment.json").write_text(json.dumps(environment))
        assert "No space left" in capsys_line(capsys, go_on)
        assert "pairs_hash" in json.loads((tmp_path / "run" / "environment.json").read_text())["data"]["training"]


def capsys_line(capsys, options):
    """The last line on stderr of a command that fails with status 2."""
    assert run_and_report(train.main, [*map(str, options)]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_bad_data_get_one_line_and_leave_no_folder(tmp_path, capsys):
    run = tmp_path / "run"
    files = {
        "nowhere.jsonl": (None, "does not exist"),
        "empty.jsonl": ("", "is empty"),
        "other.jsonl": ('{"text": "a", "code": "b"}\n', "no column 'nl'"),
        "cut.jsonl": ('{"nl": "a", "co\n', "none of its 1 training records is usable"),
        "cut.json": ('[{"nl": "a", "code": "b"}, {"nl": "a", "co', "not JSON (cut in half?)"),
    }
    for name, (content, expected) in files.items():
        if content is not None:
            (tmp_path / name).write_text(content)
        line = refused(capsys, "files", "--data.path", tmp_path / name, "--run", run, *TINY)
        assert expected in line and name in line
    (tmp_path / "p.nl").write_text("a\nb\n")
    (tmp_path / "p.code").write_text("a\n")
    assert "2 lines but" in refused(capsys, "files", "--data.path", tmp_path / "p.nl", "--run", run, *TINY)
    assert not run.exists()
