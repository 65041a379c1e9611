"""The user's state folder: what the project remembers for this user, and could not make again as it does the cache."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from system.user_folder import NAME, user_folder


def state_folder(*parts: str) -> Path:
    """The project's folder in the user's state, or a subfolder of it; it need not exist yet.

    `$XDG_STATE_HOME` when it is set to an absolute path, else the system's own place (`~/.local/state` on Linux).
    """
    system = platformdirs.user_state_dir(NAME, appauthor=False)
    return user_folder("XDG_STATE_HOME", system).joinpath(*parts)
