"""The user's state folder: what the project remembers for this user, and could not make again as it does the cache."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def state_folder(*parts: str) -> Path:
    """The project's folder in the user's state, or a subfolder of it; it need not exist yet.

    `$XDG_STATE_HOME` when it is set to an absolute path, else the system's own place (`~/.local/state` on Linux).
    """
    chosen = os.environ.get("XDG_STATE_HOME", "")
    root = Path(chosen) / "codegen" if Path(chosen).is_absolute() else None
    return (root or platformdirs.user_state_path("codegen", appauthor=False)).joinpath(*parts)
