"""Text of files, networks and strangers as a terminal may show it: nothing in it moves the cursor or hides.

Control characters, characters that turn the direction of writing, and those that have no width are written as Python
writes them (`\\x1b`, `\\u202e`); line breaks and tabs stay.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import Any

# Control characters and lone surrogates; then Unicode's "default ignorable" characters, those that turn the direction,
# and two further line ends. https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
HIDDEN = re.compile(f"[{CONTROL}{UNSEEN}]")
LONGEST_ERROR, KEPT_END = 600, 200  # characters of an error's line, and of its end, where the mend stands


def shown(text: Any) -> str:
    """The text with each character that would not be seen, or would change how others are seen, as an escape."""
    return HIDDEN.sub(lambda found: ascii(found[0])[1:-1], str(text))


def at_terminal(text: str) -> str:
    """The text as `shown` where standard output is a terminal; into a file or a pipe it goes as it is."""
    return shown(text) if sys.stdout.isatty() else text


def error_line(text: Any) -> str:
    """An error on one line, no longer than a few lines of a screen: what is too long is cut in its middle."""
    line = " ".join(shown(text).split())
    if len(line) <= LONGEST_ERROR:
        return line
    return f"{line[: LONGEST_ERROR - KEPT_END - 5]} ... {line[-KEPT_END:]}"


def open_closed_streams() -> None:
    """Put a stream that holds nothing and goes nowhere where the caller has closed one (`2>&-`) and Python has none."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def leave_closed_pipe() -> int:
    """The exit status of a program whose reader has gone (`| head`); what is still to be written goes nowhere."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
    return 128 + 13  # as of a program that the signal of a closed pipe has ended
