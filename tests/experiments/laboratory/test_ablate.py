"""The whole command on tiny runs: what is missing is run, once, whoever is killed; the rest is read from the lines."""

import ast
import inspect
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from experiments.ablate import main
from experiments.laboratory.plan import READ_SHARDS, code_of_suite, make_plan, trial_marks
from experiments.laboratory.suite import BASE_ROW, load_suite
from experiments.record.lines import append_line, read_lines, read_suite
from experiments.record.measurement import ROOT
from experiments.record.records import ResultLine, stored_line
from system.errors import UserError
from training.corpus import read_shards

ROWS = [BASE_ROW, "wide"]
MINED = '"data.shards": "mined", "pretraining.steps": 10'


@pytest.fixture
def command(tiny_suite, tmp_path, monkeypatch) -> list[str]:
    """The command's arguments for two seeds of two rows."""
    monkeypatch.delenv("CI_STEPS", raising=False)
    places = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
    return [str(tiny_suite), "--seeds", "2", *places, "--rows", *ROWS]


def start(command: list[str]) -> subprocess.Popen:
    """The command in a process of its own: its hash of the code is over what a process has imported."""
    environment = {name: value for name, value in os.environ.items() if name != "CI_STEPS"}
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.ablate", *command, "--jobs", "1"], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def until(what, seconds: float = 120) -> None:
    """Wait for it."""
    for _ in range(int(10 * seconds)):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("nothing came")


def worker_of(process: subprocess.Popen) -> int | None:
    """The process that makes a run for this one."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    return int(found[0]) if found else None


@pytest.mark.slow
def test_three_processes_share_a_suite_and_two_of_their_kills_lose_nothing(command, tmp_path):
    runs, results = tmp_path / "runs", tmp_path / "results"
    processes = [start(command) for _ in range(3)]
    try:
        until(lambda: len(list(runs.glob("*/checkpoints/step-*"))) >= 1)
        worker = worker_of(processes[0])
        if worker is not None:
            os.kill(worker, signal.SIGKILL)  # a run dies
        processes[1].kill()  # who asked for a run dies, its worker goes on
        for process in (processes[0], processes[2]):
            process.wait(timeout=300)
    finally:
        for process in processes:
            process.kill()
    start(command).communicate()  # what the killed run's owner gave up, if the others had ended before
    lines = read_suite(results, "tiny")
    assert Counter((line.row, line.seed) for line in lines) == Counter((row, n) for row in ROWS for n in (1, 2))
    begun = {path.stem: path.read_text().splitlines() for path in runs.glob("*.begun")}
    assert len(begun) == len(lines)
    again = [of_run for of_run in begun.values() if len(of_run) > 1]
    assert len(again) <= 1, "only the run that was killed may have been taken up again"
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*.begun")}
    last = start(command)
    said = last.communicate()[0]
    assert last.returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in runs.glob("*.begun")}, "nothing is run twice"
    assert "Not run: base (8 seeds)" in said and "held-out loss" in said
    assert all((runs / "tiny" / name).exists() for name in ("table.md", "table.tex", "table.csv", "plot.svg"))


def test_a_dry_run_lists_and_runs_nothing(command, tmp_path, capsys):
    assert main([*command, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "0 runs done, 4 left, unknown until the base has run once" in said
    assert "--model.d_ff=32" in said and "wide, seed 2" in said
    assert not (tmp_path / "results").exists() and not (tmp_path / "runs").exists()


def test_a_dry_run_builds_no_corpus_and_says_that_it_is_not_there(tiny_suite, command, tmp_path, capsys, monkeypatch):
    tiny_suite.write_text(tiny_suite.read_text().replace('"pretraining.steps": 0', MINED))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main([*command, "--dry_run"]) == 0
    assert "the mined corpus is not built yet; the first of these runs builds it" in capsys.readouterr().out
    assert not (tmp_path / "cache" / "codegen" / "corpora").exists()


def test_the_code_of_a_suite_has_what_reading_a_built_corpus_imports():
    nodes = ast.walk(ast.parse(inspect.getsource(read_shards)))
    assert {node.module for node in nodes if isinstance(node, ast.ImportFrom)} == {*READ_SHARDS}


@pytest.mark.parametrize(
    ("name", "options", "left"),
    [("mine", ["--seeds", "2"], {"10 left", "model.feed_forward=swiglu, seed 2"}),
     ("norms", [], {"20 left", "LayerNorm, seed 5", "base, seed 10"})],
)  # fmt: skip
def test_the_suites_that_the_docs_show_work(tmp_path, capsys, monkeypatch, name, options, left):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "codegen" / "django").mkdir(parents=True)
    for kind in ("anno", "code"):  # a dry run looks whether they are there
        (tmp_path / "codegen" / "django" / f"all.{kind}").write_text("x = 1\n")
    page = (ROOT / "docs" / "ablations.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (example,) = [block for block in blocks if f'name="{name}"' in block]
    file = tmp_path / f"{name}.py"
    file.write_text(example)
    assert " ".join(["python -m experiments.ablate", file.name, *options]) in page
    assert main([str(file), *options, "--dry_run", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert all(words in said.out for words in left)
    assert not said.err, "no row of it may be refused"


def test_a_dry_run_of_lines_of_no_suite_says_what_proofs_say_of_their_codes(capsys):
    assert main(["django_1000", "--dry_run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and all("Made by earlier code than" in line for line in said)
    assert main(["choosing", "--dry_run"]) == 0
    assert "No proof speaks of it; --prove makes one." in capsys.readouterr().out


def test_more_seeds_than_the_suite_has_are_refused_and_not_cut(command):
    command[command.index("2")] = "20"
    with pytest.raises(UserError, match=r"--seeds 20: suite tiny gives fewer to some rows \(base 10, wide 5\)"):
        main([*command, "--dry_run"])


def test_an_impossible_row_is_listed_with_its_reason_before_anything_runs(tiny_suite, command, capsys):
    text = tiny_suite.read_text().replace('{"model.d_ff": 32}', '{"model.n_heads": 3}')
    tiny_suite.write_text(text)
    assert main([*command, "--dry_run"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("not possible: wide: ") and "not divisible by model.n_heads=3; choose 15" in said


@pytest.mark.parametrize(
    "options, said",
    [
        (["--rows", "narrow"], "no row 'narrow'; its rows are base, wide"),
        (["--jobs=-1"], "--jobs -1 must be at least 0"),
    ],
)
def test_mistakes_are_said_in_one_line(command, options, said):
    with pytest.raises(UserError, match=said):
        main([*command, *options])


def test_a_row_that_changes_nothing_is_listed_and_not_run(tiny_suite, command, capsys):
    tiny_suite.write_text(tiny_suite.read_text().replace('{"model.d_ff": 32}', '{"model.d_ff": 16}'))
    assert main([*command, "--dry-run"]) == 0
    assert "not possible: wide: it changes nothing" in capsys.readouterr().err


def leave_lines(suite_file: str, results: Path, code: str, seeds: int = 0, rows: list[str] | None = None) -> None:
    """Lines as runs of this code would have left them."""
    suite = load_suite(suite_file)
    for trial in make_plan(suite, [], (), seeds, rows or ()).trials:
        scores = {"in_distribution": {"tests_passed": {"value": 0.5}}}
        line = ResultLine(
            suite=trial.suite, row=trial.row, command="c", config={}, config_hash=trial.request_hash, code_hash=code,
            data_hash="d", seed=trial.seed, threads=1, machine="m", versions={}, budget={}, scores=scores,
            held_out_loss=0.5, trial=trial_marks(trial),
        )  # fmt: skip
        append_line(results, stored_line(line))


def test_lines_that_a_proof_lets_in_need_not_be_run_again(command, tmp_path, capsys, monkeypatch):
    results, now = tmp_path / "results", code_of_suite(load_suite(command[0])).hash
    leave_lines(command[0], results, "older", 2, ROWS)
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "4 left" in said and "4 lines of code older do not count beside runs of today's: nothing proves" in said
    proven = {"suite": "tiny", "row": "older counts", "command": "c", "accepts": "older", "for": now, "reason": "equal"}
    monkeypatch.setattr("experiments.ablate.provable_of_suite", lambda *_: [])
    monkeypatch.setattr("experiments.ablate.prove", lambda *_: [proven])
    assert main([*command, "--prove"]) == 0 and capsys.readouterr().out == "equal\n"
    assert main([*command, "--jobs", "0"]) == 0
    said = capsys.readouterr().out
    assert f"Code {now}" in said and "Lines of code older are let in: equal" in said
    assert main([*command, "--dry-run"]) == 0 and "4 runs done, 0 left" in capsys.readouterr().out


def test_lines_that_today_contradicts_say_where_the_codes_part(command, tmp_path, capsys):
    results, now = tmp_path / "results", code_of_suite(load_suite(command[0])).hash
    leave_lines(command[0], results, "older", 2, ROWS)
    append_line(results, {"suite": "tiny", "row": "older differs", "command": "c", "rejects": "older", "for": now,
                          "reason": "training step 3: loss 2.0 instead of 1.0"})  # fmt: skip
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "4 left" in said and "do not count beside runs of today's: training step 3: loss 2.0 instead of 1.0" in said


def test_a_suite_that_earlier_code_has_made_complete_is_not_made_again_unasked(tiny_suite, tmp_path, capsys):
    results = tmp_path / "results"
    command = [str(tiny_suite), "--results", str(results), "--runs", str(tmp_path / "runs")]
    leave_lines(command[0], results, "older")
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "20 runs done, 0 left" in said and "complete, made by code older" in said
    assert main(command) == 0
    table = (tmp_path / "runs" / "tiny" / "table.md").read_text()
    assert "| base | 10 | 0.5000 ± 0.0000 |" in table and "Code older;" in table
    assert "tiny is complete, made by code older" in capsys.readouterr().err
    assert main([*command, "--dry-run", "--again"]) == 0 and "0 runs done, 20 left" in capsys.readouterr().out


def test_a_suite_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="there is no suite 'peices'; choose one of .*pieces"):
        main(["peices"])


def test_many_processes_append_to_one_file_without_losing_a_line(tmp_path):
    code = (
        "import sys; from pathlib import Path; from experiments.record.lines import append_line\n"
        "for n in range(20): append_line(Path(sys.argv[1]), "
        "{'suite': 's', 'row': f'{sys.argv[2]} {n}', 'command': 'c', 'config_hash': f'{sys.argv[2]} {n}'})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)], cwd=ROOT) for n in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(read_lines(tmp_path, "s")) == 60
    assert not append_line(tmp_path, read_lines(tmp_path, "s")[7])
