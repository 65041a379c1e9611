"""The memory of a command is that of all of its processes, at its largest."""

import sys

import pytest

pytest.importorskip("psutil")
from experiments.record import memory  # noqa: E402

HOLD = "import time; block = bytearray(b'x') * 100_000_000; time.sleep(2)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}]); sys.exit(3)"


def test_what_a_child_holds_for_a_while_is_seen_after_it_is_gone(tmp_path):
    code = f"{HOLD}; del block; time.sleep(0.3)"
    watched = memory.watch([sys.executable, "-c", code], tmp_path, every=0.1)
    assert watched.status == 0 and watched.seconds > 2
    assert 95 < watched.peak_mib < 160


def test_grandchildren_count_and_the_exit_status_is_kept(tmp_path):
    watched = memory.watch([sys.executable, "-c", PARENT], tmp_path, every=0.1)
    assert watched.status == 3
    assert 95 < watched.peak_mib < 200


def test_without_proc_the_resident_memory_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "HAS_PSS", False)
    watched = memory.watch([sys.executable, "-c", HOLD], tmp_path, every=0.1)
    assert watched.measure == "RSS" and 95 < watched.peak_mib < 200


def test_a_process_outlives_its_parent_and_still_counts(tmp_path):
    middle = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {HOLD!r}]); time.sleep(1)"
    top = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {middle!r}]); time.sleep(2)"
    watched = memory.watch([sys.executable, "-c", top], tmp_path, every=0.1)
    assert watched.peak_mib > 95
