"""The places of the identifiers in a piece of Python, by Python's own tokenizer."""

from __future__ import annotations

import contextlib
import io
import keyword
import tokenize
from itertools import accumulate

from data.code.tokens import too_long_to_cut


def find_identifiers(code: str) -> list[tuple[int, int, str]]:
    """Find every name that is no keyword, in order, as (start, end, name); places count characters.

    Names are what CodeT5 calls identifiers (Wang et al. 2021, 3.2): of functions, classes, variables, parameters,
    attributes and modules, builtins among them. What is inside a string is not one (Python 3.12 and later see the names
    in f-strings). Of a fragment that breaks off, what stands before the break is found; of endless lines, nothing.
    """
    if too_long_to_cut(code):
        return []
    lines = io.StringIO(code, newline="\n").readlines()
    starts = list(accumulate(map(len, lines), initial=0))
    found = []
    # A fragment may end in an open bracket or return to an indentation that it does not hold.
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(iter([*lines, ""]).__next__):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                row, column = token.start
                start = starts[row - 1] + column
                found.append((start, start + len(token.string), token.string))
    return found
