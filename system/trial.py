"""CI_STEPS in the environment makes a trial of any command: the whole path with few steps, its figures no results."""

from __future__ import annotations

import os

from system.errors import UserError


def step_cap() -> int:
    """How many steps a trial may take, 0 where there is no cap. Raises UserError."""
    given = os.environ.get("CI_STEPS") or "0"
    if not given.isdecimal():
        raise UserError(f"CI_STEPS={given} in the environment must be a number of steps; correct it or unset it")
    return int(given)
