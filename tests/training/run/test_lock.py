"""One process writes in a run folder; what has no locks is written all the same, and a link is no lock."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from system.errors import UserError
from training.run import lock
from training.run.lock import check_free, only_writer

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from training.run.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_later_one_is_refused_and_a_killed_one_frees_the_folder(tmp_path, holder):
    for begin in (lambda: check_free(tmp_path), only_writer(tmp_path).__enter__):
        with pytest.raises(UserError, match="another process writes in") as error:
            begin()
        assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    check_free(tmp_path)
    with only_writer(tmp_path):
        assert (tmp_path / ".lock").exists()
    assert (tmp_path / ".lock").exists()  # never deleted


def test_a_folder_is_free_again_after_an_error_and_asking_makes_nothing(tmp_path):
    check_free(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), only_writer(tmp_path):
            _ = 1 / 0


@pytest.mark.parametrize("dangling", [False, True])
def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays(tmp_path, dangling):
    mine = tmp_path / "mine"
    if not dangling:
        mine.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").symlink_to(mine)
    with pytest.raises(UserError, match="is a link"), only_writer(run):
        pass
    assert not mine.exists() if dangling else mine.read_text() == "mine"


@pytest.mark.parametrize(
    "error", [OSError(30, "Read-only file system"), OSError(37, "No locks available"), NotImplementedError("no flock")]
)
def test_a_folder_without_locks_is_said_once_and_used(tmp_path, monkeypatch, capsys, error):
    class NoLock(FileLock):
        def acquire(self, *args, **options):
            raise error

    monkeypatch.setattr(lock, "FileLock", NoLock)
    with only_writer(tmp_path):
        pass
    said = capsys.readouterr().err
    assert "cannot be locked" in said and said.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of Unix")
def test_a_lock_that_belongs_to_somebody_else_is_said_and_the_work_goes_on(tmp_path, monkeypatch, capsys):
    def denied(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock.FileLock, "acquire", denied)
    with only_writer(tmp_path):
        pass
    assert "Permission denied" in capsys.readouterr().err
