"""The command as a student uses it: begin, try, be told, ask for hints, pass."""

import json
import sys

import pytest

from system.options import run_and_report
from teaching.exercises.__main__ import main
from teaching.exercises.catalogue import EXERCISES
from teaching.exercises.grading import Verdict
from teaching.exercises.own_process import MOST_PRINTED
from teaching.exercises.own_process import run as run_file
from teaching.exercises.pages import EXERCISES_FOLDER, all_pages

SOLUTION = (EXERCISES_FOLDER / "05_attention" / "solution.py").read_text(encoding="utf-8")
WRONG = SOLUTION.replace("softmax(masked)", "softmax(masked.swapaxes(-2, -1)).swapaxes(-2, -1)")
OTHER_WRONG = SOLUTION.replace(" / np.sqrt(d_k)", "")


@pytest.fixture
def run(tmp_path, capsys, monkeypatch, grade_file):
    """Runs the command in this process: exit status, lines of standard output, standard error."""
    monkeypatch.setattr(
        "teaching.exercises.__main__.run", lambda name, path: (grade_file(EXERCISES[name], path), "")
    )

    def call(*arguments):
        status = run_and_report(main, [*arguments, "--folder", str(tmp_path / "mine")])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    call.file = tmp_path / "mine" / "05_attention.py"
    return call


def test_the_list_has_every_exercise_with_difficulty_minutes_and_state(run):
    run("attention")
    run.file.write_text(WRONG)
    run("attention")
    status, lines, _ = run()
    assert status == 0 and not any(len(line) > 120 for line in lines[: len(all_pages()) + 1])
    for page in all_pages():
        row = next(line for line in lines if page.name in line.split())
        assert f"{page.difficulty} of 3" in row and f" {page.minutes} " in row
        assert row.endswith("1 attempt" if page.name == "attention" else "untried")


def test_the_first_call_copies_the_stub_and_asks_the_question(run):
    status, lines, _ = run("attention")
    assert status == 0 and run.file.read_text() == (EXERCISES_FOLDER / "05_attention" / "stub.py").read_text()
    assert any("PREDICTION" in line for line in lines) and any("One query, two keys" in line for line in lines)
    assert (run.file.parent / ".gitignore").read_text() == "*\n"


def test_a_students_file_is_never_overwritten(run):
    run.file.parent.mkdir()
    run.file.write_text("mine")
    run("attention")
    run("attention", "--solution")
    assert run.file.read_text() == "mine"


def test_the_verdict_stands_first_and_a_known_mistake_is_named(run):
    run("5")
    run.file.write_text(WRONG)
    status, lines, _ = run("05_attention")
    assert status == 1 and lines[0].startswith("attention: wrong, largest difference ")
    assert ", first wrong index output[0, 0, 0, 0] in case 1: softmax over the queries" in lines[0]
    assert "each row of the weights is one query's, and sums to 1" in " ".join(" ".join(lines).split())
    assert not any("Hint" in line for line in lines)


def test_each_hint_needs_an_attempt_of_its_own(run):
    assert run("attention", "--hint")[2].startswith("error: attention: a hint comes after an attempt;")
    run("attention")
    run("attention")  # the stub again is no attempt
    assert run("attention", "--hint")[0] == 2
    for number, text in enumerate((WRONG, OTHER_WRONG, WRONG), 1):
        run.file.write_text(text)
        run("attention")
        run("attention")  # nor is the same file
        status, lines, _ = run("attention", "--hint")
        assert status == 0 and lines[0].startswith(f"Hint {number}: ")
        assert ("def attention" in "\n".join(lines)) == (number == 3)
        if number < 3:
            assert run("attention", "--hint")[2].startswith("error: attention: a hint comes after another attempt;")
            assert run("attention", "--solution")[0] == 2
    assert run("attention", "--solution")[1] == SOLUTION.splitlines()
    assert run("attention", "--hint")[0] == 0


def test_after_a_pass_the_answer_all_hints_and_the_reference_are_shown(run):
    run("attention")
    run.file.write_text(SOLUTION.replace('"""Exercise', 'PREDICTION = "all to the first"\n"""Exercise', 1))
    status, lines, _ = run("attention")
    text = "\n".join(lines)
    assert status == 0 and lines[0] == "attention: passed, equal to rounding in 4 cases"
    for words in ("You predicted: all to the first", "(a) 1 and 0.", "Hint 1", "Hint 2", "Hint 3", "def attention"):
        assert words in text
    assert run("attention", "--solution")[0] == 0
    assert run()[1][5].endswith("passed")


def test_the_answer_to_the_question_is_not_shown_before_a_pass(run):
    run("attention")
    run.file.write_text(WRONG)
    assert "(a) 1 and 0." not in "\n".join(run("attention")[1])


@pytest.mark.parametrize(("arguments", "words"), [
    (["atention"], "atention is not an exercise (did you mean attention?)"),
    (["99"], "99 is not an exercise"),
    (["--hint"], "need the name of an exercise"),
    (["attention", "--hnt"], "--hnt is not an option"),
])  # fmt: skip
def test_a_mistake_in_the_command_is_one_line(arguments, words, run):
    status, lines, error = run(*arguments)
    assert status == 2 and not lines and words in error and error.count("\n") == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"attention": {"tries": 1}}', '{"attention": 3}'])
def test_damaged_records_are_told_in_one_line(content, run):
    run.file.parent.mkdir()
    (run.file.parent / "progress.json").write_text(content)
    status, _, error = run()
    assert status == 2 and "progress.json" in error and error.count("\n") == 1


def test_without_the_pages_one_line_says_what_is_missing(run, monkeypatch, tmp_path):
    monkeypatch.setattr("teaching.exercises.pages.EXERCISES_FOLDER", tmp_path / "nowhere")
    status, _, error = run()
    assert status == 2 and "holds no exercises" in error and error.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run_and_report(main, ["attention", "--folder", str(tmp_path / "file" / "mine")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_students_code_runs_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "05_attention.py"
    path.write_text("print('here I am')\n" + SOLUTION)
    verdict, printed = run_file("attention", path)
    assert verdict.status == "passed" and printed == "here I am\n"
    path.write_text("import os\nos._exit(7)\n")
    verdict, _ = run_file("attention", path)
    assert verdict.status == "broken" and "ended with status 7" in verdict.line


def test_code_that_prints_without_end_and_takes_all_memory_is_stopped(tmp_path):
    path = tmp_path / "05_attention.py"
    takes_memory = "np.ones(10**9)\n" if sys.platform == "linux" else "raise MemoryError\n"  # macOS has no such limit
    path.write_text("import numpy as np\nfor _ in range(10**5):\n    print('x' * 10)\n" + takes_memory + SOLUTION)
    verdict, printed = run_file("attention", path)
    assert len(printed) == MOST_PRINTED
    assert "line 4: " in verdict.line and "MemoryError" in verdict.line


def test_ctrl_c_leaves_no_traceback(run, monkeypatch):
    def interrupted(name, path):
        raise KeyboardInterrupt

    monkeypatch.setattr("teaching.exercises.__main__.run", interrupted)
    run("attention")
    assert run("attention") == (130, [], "\ninterrupted\n")


def test_what_the_code_prints_stands_behind_the_verdict_and_is_cut(run, monkeypatch):
    printed = "".join(f"row {i}\n" for i in range(30))
    verdict = Verdict("wrong", "attention: wrong")
    monkeypatch.setattr("teaching.exercises.__main__.run", lambda name, path: (verdict, printed))
    run("attention")
    _, lines, _ = run("attention")
    assert lines[0] == "attention: wrong" and "  row 19" in lines and "  row 20" not in lines
    assert "  .. and 10 more lines" in lines


def test_what_the_code_says_neither_moves_the_cursor_nor_stands_in_the_verdicts_place(run, monkeypatch):
    run("attention")
    verdict = Verdict("broken", "attention: cannot be graded, \x1b[2J\nattention: passed")
    monkeypatch.setattr("teaching.exercises.__main__.run", lambda name, path: (verdict, "\x1b[31mred"))
    _, lines, _ = run("attention")
    assert lines[0] == "attention: cannot be graded, \\x1b[2J attention: passed" and "  \\x1b[31mred" in lines


def test_records_are_plain_json_beside_the_files(run):
    run("attention")
    run.file.write_text(WRONG)
    run("attention")
    record = json.loads((run.file.parent / "progress.json").read_text())["attention"]
    assert record["attempts"] == 1 and record["passed"] is False and record["tried_since_hint"] is True
