import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK = "from system.own_packages import refuse_foreign_packages; refuse_foreign_packages(); print('ours')"


def check(*path: Path, cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run([sys.executable, "-P", "-c", CHECK], cwd=cwd, env=environment, capture_output=True, text=True)


def test_our_own_packages_are_accepted_from_anywhere(tmp_path):
    assert check(ROOT, cwd=tmp_path).stdout == "ours\n"


@pytest.mark.parametrize(("name", "file"), [("model", "model/__init__.py"), ("data", "data.py")])
def test_a_foreign_package_is_refused_with_both_paths_in_one_line(tmp_path, name, file):
    foreign = tmp_path / file
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("raise RuntimeError('executed')\n")
    result = check(tmp_path, ROOT, cwd=tmp_path)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert str(tmp_path / name) in result.stderr and f"the package {name} of {ROOT}" in result.stderr


def test_a_folder_that_is_no_package_is_not_in_the_way(tmp_path):
    (tmp_path / "data").mkdir()
    assert check(tmp_path, ROOT, cwd=tmp_path).stdout == "ours\n"
