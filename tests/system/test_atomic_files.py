"""A file is whole or as it was, also when the system refuses to write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from system.atomic_files import aside_of, partials, remove, whole_name, write_atomically, write_synced
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


def test_no_link_is_written_through(tmp_path):
    mine, folder = tmp_path / "mine", tmp_path / "folder"
    mine.write_text("mine")
    folder.mkdir()
    for name in ("x.json", "x.json.partial"):
        (folder / name).symlink_to(mine)
    write_atomically(folder / "x.json", "new")
    assert mine.read_text() == "mine" and (folder / "x.json").read_text() == "new"
    assert not (folder / "x.json").is_symlink()


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_a_name_that_is_taken_is_not_written(tmp_path, kind):
    mine, path = tmp_path / "mine", tmp_path / "path"
    if kind != "dangling link":
        mine.write_text("mine")
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(mine)
    with pytest.raises(FileExistsError):
        write_synced(path, b"new")
    assert not mine.exists() if kind == "dangling link" else mine.read_text() == "mine"


def test_what_a_kill_leaves_is_known_by_its_name(tmp_path):
    asides = {aside_of(tmp_path / "x.json").name for _ in range(50)}
    assert len(asides) == 50 and {whole_name(name) for name in asides} == {"x.json"}
    left = [tmp_path / name for name in ("x.json.partial", *list(asides)[:1], "y.json.01234567.partial", "x.json")]
    for path in left:
        path.write_text("half")
    assert sorted(partials(tmp_path, "x.json")) == sorted(left[:2])


def test_a_link_to_a_folder_is_deleted_and_the_folder_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


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
