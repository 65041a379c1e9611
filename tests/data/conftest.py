"""What the tests of data share."""

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder in the place of the user's; it does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"
