"""The rules by which two pieces of code count as the same, and by which one counts as well formed.

Exact match compares tokens of the language (data/code/tokens.py) instead of characters: `f ( x )` and `f(x)` are the
same program.
"""

from __future__ import annotations

import ast
import warnings

from data.code.tokens import split_tokens


def exact_match(reference: str, prediction: str, language: str = "python") -> bool:
    """Whether both are the same tokens (see `split_tokens`). An empty output is never exact.

    Where neither has a token (a comment in Python), the texts are compared, whatever their blanks.
    """
    tokens = split_tokens(prediction, language)
    if not tokens and prediction.split() != reference.split():
        return False
    return bool(prediction.strip()) and split_tokens(reference, language) == tokens


def parses(code: str, single_line: bool = False) -> bool:
    """Whether Python's grammar accepts `code`, or with `single_line` the code it was cut out of.

    A line of a line-by-line corpus may be a part of a statement. It is completed with what must have stood around it:
    `pass` after a block's header; `if` before `elif` and `else`, `try` before `except` and `finally`; `except` after
    `try`, `def` after a decorator. No `def` is needed before `return` and `yield`: `ast.parse` takes them anywhere.
    """
    if not code.strip():
        return False
    if _accepted(code):
        return True
    return single_line and "\n" not in code.strip() and _accepted(completed(code.strip()))


def _accepted(code: str) -> bool:
    """Whether `ast.parse` takes `code`, whatever it warns of (an invalid escape, a comparison by `is`)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: NUL, lone surrogates
            return False
    return True


def completed(line: str) -> str:
    """The line completed to a statement, as far as its first and last token tell what is missing."""
    tokens = split_tokens(line)
    if tokens[-1:] == [":"]:
        line = f"{line}\n    pass"
    match tokens[:1]:
        case ["else" | "elif"]:
            return f"if x:\n    pass\n{line}"
        case ["except" | "finally"]:
            return f"try:\n    pass\n{line}"
        case ["try"]:
            return f"{line}\nexcept:\n    pass"
        case ["@"]:
            return f"{line}\ndef f():\n    pass"
    return line
