"""Where the user's cache is, and that it gives what was kept or nothing."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from system.cache import cache_folder, cache_key, remembered, sources_hash

VALUE = {"numbers": [1, 2.5, None], "text": "é 漢字 \ud800 \x00\n"}


def not_again():
    pytest.fail("made again")


def test_a_chosen_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("a", "b") == tmp_path / "codegen" / "a" / "b"


PLACES = {Unix: ".cache/codegen", MacOS: "Library/Caches/codegen", Windows: "AppData/Local/codegen"}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("chosen", ["", "relative"])
def test_each_system_has_its_own_place(tmp_path, monkeypatch, kind, chosen):
    local = tmp_path / "AppData" / "Local"
    monkeypatch.setattr("platformdirs.PlatformDirs", kind)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda _: str(local))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    assert cache_folder("django") == tmp_path / PLACES[kind] / "django"


def test_the_tests_have_a_cache_of_their_own(tmp_path_factory):
    assert tmp_path_factory.getbasetemp() in cache_folder().parents


def test_what_was_made_once_is_not_made_again(cache, capsys):
    assert remembered("kind", "key", lambda: VALUE) == VALUE
    assert remembered("kind", "key", not_again) == VALUE
    assert capsys.readouterr().err == ""


def test_another_key_and_another_kind_are_other_things(cache):
    for kind, key in (("a", "1"), ("a", "2"), ("b", "1")):
        assert remembered(kind, key, lambda here=(kind, key): [*here]) == [kind, key]
    assert remembered("a", "2", not_again) == ["a", "2"]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: b"no gzip", lambda content: content[:-1], lambda content: content[:20],
    flipped, lambda content: gzip.compress(b"[1, 2]"), lambda content: gzip.compress(b"{}"),
    lambda content: gzip.compress(b"\xff"), lambda content: gzip.compress(content),
])  # fmt: skip
def test_a_damaged_file_is_made_again_and_that_is_said_in_one_line(cache, capsys, damage):
    remembered("kind", "key", lambda: VALUE)
    (file,) = [path for path in cache.rglob("*") if path.is_file()]
    file.write_bytes(damage(file.read_bytes()))
    assert remembered("kind", "key", lambda: VALUE) == VALUE
    said = capsys.readouterr().err
    assert str(file) in said and said.count("\n") == 1
    assert remembered("kind", "key", not_again) == VALUE


def test_the_file_of_another_key_is_not_believed(cache):
    remembered("kind", "one", lambda: 1)
    (file,) = cache.rglob("one*")
    file.rename(file.with_name(file.name.replace("one", "two")))
    assert remembered("kind", "two", lambda: 2) == 2


@pytest.mark.parametrize("in_the_way", ["", "codegen", "codegen/kind"])
def test_a_cache_that_cannot_be_written_stops_nothing_and_says_so_in_one_line(cache, capsys, in_the_way):
    (cache / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (cache / in_the_way).write_text("a file where a folder should be")
    assert remembered("kind", "key", lambda: VALUE) == VALUE
    said = capsys.readouterr().err
    assert "cannot be written" in said and said.count("\n") == 1


def test_a_full_disk_leaves_nothing_half_written(cache, monkeypatch, capsys):
    def write_half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    assert remembered("kind", "key", lambda: VALUE) == VALUE
    assert "No space left on device" in capsys.readouterr().err
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_what_fails_to_be_made_is_not_remembered(cache):
    with pytest.raises(ZeroDivisionError):
        remembered("kind", "key", lambda: 1 / 0)
    assert not cache.exists()


TOGETHER = """
from system.cache import remembered
for key in range(30):
    assert remembered("kind", str(key), lambda: [key] * 20_000) == [key] * 20_000
"""


def test_runs_at_the_same_time_do_not_disturb_each_other(cache):
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", TOGETHER]
    runs = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [("", 0)] * 3
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 30


def test_every_part_of_a_key_counts_and_so_does_the_version_of_python(monkeypatch):
    keys = [cache_key("ab", 1), cache_key("a", "b", 1), cache_key("ab", 2), cache_key(1, "ab"), cache_key("ab")]
    assert cache_key("ab", 1) == keys[0]
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    keys += [cache_key("ab", 1)]
    assert len(set(keys)) == len(keys)


def test_the_hash_of_sources_is_of_their_names_and_contents(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("x = 1")
    two.write_text("x = 2")
    before = sources_hash([one, two])
    assert sources_hash([two, one]) == before
    two.write_text("x = 3")
    assert sources_hash([one, two]) != before
    two.write_text("x = 1")
    one.write_text("x = 2")
    assert sources_hash([one, two]) != before
