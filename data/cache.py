"""Where downloaded corpora and parsed packages are kept between runs: the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """The project's folder in the user's cache, or a subfolder of it; it need not exist yet.

    `$XDG_CACHE_HOME` when it is set to an absolute path, else `~/Library/Caches` on macOS and `~/.cache` elsewhere.
    """
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if chosen and Path(chosen).is_absolute():
        root = Path(chosen)
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path.home() / ".cache"
    return root.joinpath("codegen", *parts)
