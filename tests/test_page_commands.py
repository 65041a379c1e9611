"""Every command of a page runs in CI or stands in one list with its reason, and every command has a page."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / ".ci" / "page_commands.py"
STARTED_BY_OTHERS = {  # programs that other modules start: no page has to name them
    "data.mining.python_functions", "data.shards.encode", "data.shards.extract", "evaluation.programs.server",
    "teaching.exercises.student_file", "experiments.laboratory.worker", "experiments.record.in_tree",
    "experiments.record.measurement", "experiments.speed.worker", "experiments.speed.parallel_worker",
}  # fmt: skip


@pytest.fixture
def script(monkeypatch):
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("page_commands", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_commands_are_the_lines_of_bash_blocks_without_remarks(script, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("""# A page
```bash
make train   # two words
# a remark

python eval.py \\
    --beam 4
```
```python
print("no command")
```
- in a list:
  ```bash
  make test
  ```
""")
    found = [(command.line, command.text) for command in script.commands(page)]
    assert found == [(3, "make train"), (7, "python eval.py --beam 4"), (14, "make test")]


def test_every_exception_has_its_command_and_a_reason(script):
    found = [command for page in script.pages() for command in script.commands(page)]
    exceptions = script.read_exceptions()
    assert script.mistakes(found, exceptions) == []
    assert all(len(entry.reason.split()) > 1 for entry in exceptions)


def modules_with_main():
    """Dotted names of all programs of the project's packages."""
    for path in sorted(ROOT.glob("*/**/*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if (ROOT / parts[0] / "__init__.py").exists() and parts[0] != "tests" and is_program(path):
            yield ".".join(parts[:-1] if parts[-1] == "__main__" else parts)


def is_program(path):
    tests = (node.test for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.If))
    return any(ast.unparse(test) == "__name__ == '__main__'" for test in tests)


def test_every_command_of_the_project_is_named_by_a_page(script):
    text = "\n".join(page.read_text(encoding="utf-8") for page in (*script.pages(), Path("CONTRIBUTING.md")))
    programs = set(modules_with_main())
    assert len(programs) > 20 and programs >= STARTED_BY_OTHERS
    named = {name for name in programs if re.search(rf"-m {re.escape(name)}(?![\w.]*\w)", text)}
    assert programs - STARTED_BY_OTHERS - named == set()


def run_page(tmp_path, *lines, exceptions="exception = []\n", **environment):
    root = tmp_path / "repository"
    for folder in (".git", ".ci", "docs"):
        (root / folder).mkdir(parents=True)
    (root / ".ci" / "not_run.toml").write_text(exceptions)
    (root / "README.md").write_text("```bash\n" + "\n".join(lines[:1]) + "\n```\n")
    (root / "docs" / "page.md").write_text("```bash\n" + "\n".join(lines[1:]) + "\n```\n")
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "copy")], cwd=root, capture_output=True, text=True,
        env=os.environ | {"CI_STEPS": "3", "CODEGEN_DATA": ""} | environment,
    )  # fmt: skip


def test_a_page_finds_what_the_first_one_made_and_the_repository_is_left_alone(tmp_path):
    result = run_page(tmp_path, "echo $CI_STEPS > made", "grep 3 made", "test ! -e .git", "test -x .venv/bin/python")
    assert result.returncode == 0, result.stdout
    assert "4 commands, 4 ran, 0 did not, 0 failed" in result.stdout
    assert not (tmp_path / "repository" / "made").exists()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_two_pages_run_side_by_side_each_in_its_copy(script, tmp_path, monkeypatch):
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    # Each page waits for the other one's file: after each other, neither would end.
    meet = "test -e first && test ! -e other && touch other {0} && until test -e {1}; do sleep .1; done"
    a, b = tmp_path / "a", tmp_path / "b"
    pages = {"README.md": "touch first", "a.md": meet.format(a, b), "b.md": meet.format(b, a)}
    found = [script.Command(page, 1, text) for page, text in pages.items()]
    assert script.run_all(found, [], tmp_path / "copy") == {"ok": 3}


@pytest.mark.parametrize("line", ["echo said; exit 3", "false | true", "no-such-program-x"])
def test_one_failed_command_fails_all_and_shows_its_output(tmp_path, line):
    result = run_page(tmp_path, "true", line, "true 2")
    assert result.returncode == 1 and "3 commands, 2 ran, 0 did not, 1 failed" in result.stdout
    assert "said" in result.stdout or "exit 3" not in line


def test_pages_without_commands_fail(tmp_path):
    assert run_page(tmp_path, "").returncode == 1


ENTRY = '[[exception]]\ncommand = "{}"\nreason = "needs another machine"\n'


def test_an_exception_is_not_run_or_runs_in_its_short_form(tmp_path):
    exceptions = ENTRY.format("ssh *") + ENTRY.format("sleep 9999") + 'instead = "touch made"\n'
    result = run_page(tmp_path, "ssh far away", "sleep 9999", "test -e made", exceptions=exceptions)
    assert result.returncode == 0, result.stdout
    assert "3 commands, 2 ran, 1 did not, 0 failed" in result.stdout and "(needs another machine)" in result.stdout


@pytest.mark.parametrize("data", ["", "."])
def test_what_needs_data_runs_where_there_are_some(tmp_path, data):
    exceptions = ENTRY.format("false") + 'needs = "data"\n'
    result = run_page(tmp_path, "true", "false", exceptions=exceptions, CODEGEN_DATA=data)
    assert result.returncode == (1 if data else 0)
    assert bool(data) or "no published corpora here: needs another machine" in result.stdout


@pytest.mark.parametrize(("exceptions", "said"), [
    (ENTRY.format("make tea"), "no page has the command make tea"),
    (ENTRY.format("tru*") + ENTRY.format("*rue"), "two entries"),
    (ENTRY.format("true") + 'needs = "luck"\n', "'luck' is unknown"),
])  # fmt: skip
def test_a_wrong_list_fails(tmp_path, exceptions, said):
    result = run_page(tmp_path, "true", exceptions=exceptions)
    assert result.returncode == 1 and said in result.stdout


def test_a_page_begins_its_runs_anew_and_repeats_no_command_of_another(tmp_path):
    script = "import pathlib, sys; run = pathlib.Path(sys.argv[2]); assert not run.exists(); run.mkdir(parents=True)"
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "train.py").write_text(script)
    lines = ["python train.py --run runs/a", "python train.py  --run runs/a", "touch b", "test -d runs/a"]
    result = run_page(tmp_path, *lines)
    assert "4 commands, 4 ran, 0 did not, 0 failed" in result.stdout, result.stdout
    again = run_page(tmp_path / "again", "touch b", "touch b")
    assert "2 commands, 1 ran, 1 did not" in again.stdout and "(ran for README.md)" in again.stdout
