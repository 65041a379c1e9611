"""What differs between systems does the same thing on each, and Windows' own refusals are known on all."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from system import atomic_files, platform
from system.errors import UserError


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(platform, "WINDOWS", True)


def test_memory_is_counted_in_mebibytes(monkeypatch):
    block = bytearray(b"x" * 2**24)  # 16 MiB
    exact = platform.peak_memory_mib()
    assert 16 < exact < 2**20
    monkeypatch.setattr(platform, "resource", None)
    assert 16 < platform.peak_memory_mib() < exact + 1  # now in use, where the system keeps no peak
    del block


CANNOT = ["CON", "runs/aux.txt", "runs/Nul", "com1", "LPT¹.x", "CON .a", "runs/a:b", "a?b", "a\tb", "runs/x.", "x "]
CAN = ["runs/small", "../elsewhere", "C:/runs/x", ".", "console", "com10", "é", "step-1.old"]
BEGIN_ANOTHER = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", CANNOT)
def test_names_that_windows_cannot_have(name):
    assert platform.refused_name(name)


@pytest.mark.parametrize("name", CAN)
def test_names_that_windows_can_have(name):
    assert platform.refused_name(name) == ""


def test_a_file_that_somebody_holds_open_is_tried_again(windows, monkeypatch, tmp_path):
    held_until, really = time.monotonic() + 0.2, os.replace

    def held(source, target):
        if time.monotonic() < held_until:
            raise PermissionError(13, "used by another process")
        really(source, target)

    monkeypatch.setattr(platform.os, "replace", held)
    (tmp_path / "new").write_text("new", encoding="utf-8")
    platform.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text(encoding="utf-8") == "new"


def test_a_file_that_stays_held_is_an_error_in_the_end(windows, monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "PATIENCE", 0.1)

    def held(source, target):
        raise PermissionError(13, "used by another process")

    monkeypatch.setattr(platform.os, "replace", held)
    with pytest.raises(PermissionError):
        platform.replace(tmp_path / "new", tmp_path / "old")


def test_a_folder_that_cannot_be_synced_is_no_error(monkeypatch, tmp_path):
    def refused(descriptor):
        raise OSError(platform.errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(platform.os, "fsync", refused)
    platform.sync_folder(tmp_path)


def test_a_full_disk_still_is_one(monkeypatch, tmp_path):
    def full(descriptor):
        raise OSError(platform.errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(platform.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        platform.sync_folder(tmp_path)


@pytest.mark.parametrize("without", [False, True])
def test_links_are_not_followed(monkeypatch, tmp_path, without):
    if without:  # as on Windows
        monkeypatch.delattr(platform.os, "O_NOFOLLOW", raising=False)
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError):
        platform.open_without_links(tmp_path / "link", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    descriptor = platform.open_without_links(tmp_path / "mine", os.O_WRONLY | os.O_APPEND)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(" still")
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine still"


@pytest.mark.parametrize("as_windows", [False, True])
def test_a_group_ends_with_all_that_it_has_begun(monkeypatch, as_windows):
    monkeypatch.setattr(platform, "WINDOWS", as_windows)
    command = [sys.executable, "-c", BEGIN_ANOTHER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        grandchild = int(process.stdout.readline())
        assert running(grandchild)
        platform.end_group(process.pid)
        process.wait(5)
    until = time.monotonic() + 5
    while running(grandchild) and time.monotonic() < until:
        time.sleep(0.01)
    assert not running(grandchild)


def running(pid):
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_parent_is_known_either_way(monkeypatch):
    assert platform.parent_of_this() == os.getppid()
    monkeypatch.setattr(platform, "WINDOWS", True)
    assert platform.parent_of_this() == os.getppid()


def test_a_hangup_that_is_ignored_stays_ignored():
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in platform.stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert signal.SIGHUP not in platform.stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert {signal.SIGINT, signal.SIGTERM} <= set(platform.stop_signals())


@pytest.mark.parametrize(("text", "written"), [
    ("for▕ ␣x↵ ██▏", b"for| _x\\n ##|"),
    ("é ü", b"\xe9 \xfc"),
    ("漢 →", b"\\u6f22 ->"),
    ("a\udcffb", b"a\\udcffb"),
])  # fmt: skip
def test_a_console_of_windows_prints_what_it_can(text, written):
    printed = io.BytesIO()
    console = io.TextIOWrapper(printed, encoding="cp1252")
    platform.print_plainly(console, io.StringIO(), None)
    console.write(text)
    console.flush()
    assert printed.getvalue() == written


def test_a_console_of_utf_8_prints_all():
    printed = io.BytesIO()
    console = io.TextIOWrapper(printed, encoding="utf-8")
    platform.print_plainly(console)
    console.write("▕ ␣ 漢")
    console.flush()
    assert printed.getvalue().decode() == "▕ ␣ 漢"


def test_on_windows_a_run_folder_has_a_name_that_windows_can_have(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    atomic_files.check_name("runs/aux")
    monkeypatch.setattr(atomic_files, "WINDOWS", True)
    for name in ("runs/aux", "runs/lr=0.1:seed=3", "runs/best."):
        with pytest.raises(UserError, match="choose another name") as refused:
            atomic_files.check_name(name)
        assert name in str(refused.value) and "\n" not in str(refused.value)
    atomic_files.check_name("runs/best")
