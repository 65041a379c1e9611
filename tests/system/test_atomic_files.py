"""A file is whole or as it was, also when the system refuses to write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from system.atomic_files import remove, write_atomically
from system.errors import UserError

ROOT = Path(__file__).parents[2]

WRITE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from system.atomic_files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), b"x" * 5000)
except ValueError as error:
    print(error)
"""


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "scores.json"
    write_atomically(path, "old")
    write_atomically(path, "new é")
    assert path.read_text(encoding="utf-8") == "new é"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_the_system_stops_halfway_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("old")
    said = subprocess.run(
        [sys.executable, "-c", WRITE_TOO_MUCH, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "scores.json could not be written (File too large)" in said.stdout and said.stdout.count("\n") == 1
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error_in_one_line(tmp_path):
    with pytest.raises(UserError, match="No such file or directory"):
        write_atomically(tmp_path / "nowhere" / "x.json", "text")


def test_a_deletion_that_was_killed_can_be_finished(tmp_path):
    half = tmp_path / "step-1.deleted"
    half.mkdir()
    (half / "file").write_text("x")
    whole = tmp_path / "step-1"
    whole.mkdir()
    remove(whole)
    assert list(tmp_path.iterdir()) == []
    remove(tmp_path / "step-2")
    os.mkdir(half)
    remove(half)
    assert list(tmp_path.iterdir()) == []
