"""The one error that a user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Raised for bad input. Its text is one line: the file, line or setting, and what to change."""
