import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / ".ci" / "readme_commands.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("readme_commands", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_commands_are_the_lines_of_bash_blocks(script):
    page = """# A page
```bash
make train   # two words
# a remark

python eval.py \\
    --beam 4
ssh far away  # not run in CI: needs another machine
```
```python
print("no command")
```
- in a list:
  ```bash
  make test
  ```
"""
    found = [(command.line, command.text, command.reason) for command in script.commands(page)]
    assert found == [
        (3, "make train   # two words", ""),
        (7, "python eval.py --beam 4", ""),
        (8, "ssh far away", "needs another machine"),
        (15, "make test", ""),
    ]


def run_page(tmp_path, *lines):
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / "README.md").write_text("```bash\n" + "\n".join(lines) + "\n```\n")
    command = [sys.executable, str(SCRIPT), "README.md", str(tmp_path / "copy")]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env={**os.environ, "CI_STEPS": "3"})


def test_commands_share_one_copy_and_leave_the_repository_alone(tmp_path):
    result = run_page(tmp_path, "echo $CI_STEPS > made", "grep 3 made", "test ! -e .git", "test -x .venv/bin/python")
    assert result.returncode == 0, result.stdout
    assert "4 commands, 0 failed" in result.stdout
    assert not (tmp_path / "repository" / "made").exists()


@pytest.mark.parametrize("line", ["echo said; exit 3", "false | true", "no-such-program-x"])
def test_one_failed_command_fails_all_and_shows_its_output(tmp_path, line):
    result = run_page(tmp_path, "true", line, "true")
    assert result.returncode == 1 and "3 commands, 1 failed" in result.stdout
    assert "said" in result.stdout or "exit 3" not in line


def test_a_page_without_commands_fails(tmp_path):
    assert run_page(tmp_path, "").returncode == 1
