"""Where the user's cache is."""

import sys
from pathlib import Path

import pytest

from data.cache import cache_folder


def test_a_chosen_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("a", "b") == tmp_path / "codegen" / "a" / "b"


@pytest.mark.parametrize(("platform", "folder"), [("linux", ".cache"), ("darwin", "Library/Caches")])
@pytest.mark.parametrize("chosen", ["", "relative"])
def test_each_system_has_its_own_place(tmp_path, monkeypatch, platform, folder, chosen):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", chosen)
    assert cache_folder("django") == tmp_path / folder / "codegen" / "django"
