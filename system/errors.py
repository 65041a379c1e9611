"""The one error that whoever gives bad input can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input that the user can mend. Its text is one line: the file, line or setting, and what to change."""
