"""Where the project's folders lie among those that a user's system has for all programs."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "codegen"  # of the folder


def user_folder(variable: str, otherwise: str) -> Path:
    """The project's folder in the one that an environment variable names, else `otherwise`, the system's own place.

    A variable that is not an absolute path says nothing.
    """
    chosen = os.environ.get(variable, "")
    return Path(chosen, NAME) if Path(chosen).is_absolute() else Path(otherwise)  # on Windows too
