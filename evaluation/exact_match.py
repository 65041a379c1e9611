"""When two pieces of code count as the same, and when one counts as well formed.

Exact match compares tokens of the language instead of characters: `f ( x )` and `f(x)` are the same program.
What is not a token does not count: blanks, line breaks inside brackets, comments, the width of an indentation.
What is one does: quotes (`'a'` is not `"a"`), parentheses, and in Python line breaks and the indentation's structure.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings

NEW_LINE, INDENT, DEDENT = "<line>", "<indent>", "<dedent>"  # structure of a Python program, as tokens of its own

_STRING = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
# Strings, words, numbers and the operators of more than one character; then any other single character.
_REGULAR_TOKEN = re.compile(
    rf"{_STRING}|\d+\.?\d*(?:[eE][+-]?\d+)?\w*|\w+|\*\*=|//=|>>=|<<=|===|!==|\.\.\.|->|=>|:=|::|&&|\|\||\+\+|--"
    r"|[-+*/%@&|^<>=!]=|\*\*|//|<<|>>|<>|[^\s\w]"
)
# A shell's operators, a file number before a redirection included; then words, whose quoted parts belong to them.
_SHELL_TOKEN = re.compile(
    r"\n|\d*(?:<<<|<<|>>|[<>]&|[<>]\(|[<>])|&>>?|&&|\|\||;;|\$\(|[|&;()]"
    r"|(?:\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|\$(?!\()|[^\s|&;<>()'\"\\$])+|['\"\\]",
    re.DOTALL,
)
_SKIPPED = {tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.ENCODING}
_STRUCTURE = {tokenize.NEWLINE: NEW_LINE, tokenize.INDENT: INDENT, tokenize.DEDENT: DEDENT}


def split_tokens(code: str, language: str = "python") -> list[str]:
    """Tokens of `code`; blanks around it do not count.

    Python: the standard library's `tokenize`, or regular tokens where that refuses a fragment. bash: the shell's
    words and operators. Any other language: regular tokens (strings, words, numbers, operators), comments kept.
    """
    code = code.replace("\r\n", "\n").replace("\r", "\n").strip()
    if language == "bash":
        return _SHELL_TOKEN.findall(code)
    if language != "python":
        return _REGULAR_TOKEN.findall(code)
    try:
        return _without_trailing_structure(_python_tokens(code))
    except (tokenize.TokenError, SyntaxError, UnicodeError, RecursionError):
        return _without_trailing_structure(_regular_lines(code))


def exact_match(reference: str, prediction: str, language: str = "python") -> bool:
    """Whether both are the same tokens (see `split_tokens`)."""
    return split_tokens(reference, language) == split_tokens(prediction, language)


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
    return single_line and "\n" not in code.strip() and _accepted(_completed(code.strip()))


def _accepted(code: str) -> bool:
    """Whether `ast.parse` takes `code`, whatever it warns of (an invalid escape, a comparison by `is`)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: NUL, lone surrogates
            return False
    return True


def _completed(line: str) -> str:
    """`line` with the rest of its statement, as far as its first and last token tell what is missing."""
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


def _python_tokens(code: str) -> list[str]:
    """Tokens by the standard library; raises tokenize.TokenError or SyntaxError where `code` is no whole fragment."""
    tokens, lines = [], code.split("\n")
    starts: list[tuple[int, int]] = []  # where the f-strings begin that we are inside of
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        name = tokenize.tok_name[token.type]
        if token.type == tokenize.ERRORTOKEN:  # what Python 3.12 and later raise for
            raise tokenize.TokenError(f"not a token: {token.string!r}")
        # From Python 3.12 on an f-string is many tokens (3.14: a t-string too); before, it was one, as here.
        if name.endswith("STRING_START"):
            starts.append(token.start)
        elif name.endswith("STRING_END"):
            start = starts.pop()
            if not starts:
                tokens.append(_text_between(lines, start, token.end))
        elif not starts and token.type not in _SKIPPED:
            tokens.append(_STRUCTURE.get(token.type, token.string))
    return tokens


def _text_between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The source from `start` to `end`, both (row from 1, column from 0)."""
    inside = lines[start[0] - 1 : end[0]]
    inside[-1] = inside[-1][: end[1]]
    inside[0] = inside[0][start[1] :]
    return "\n".join(inside)


def _regular_lines(code: str) -> list[str]:
    """Regular tokens of each line, with the structure of the indentation as `tokenize` would give it."""
    tokens, widths = [], [0]
    for line in code.expandtabs().split("\n"):
        words = _REGULAR_TOKEN.findall(line)
        if not words:
            continue
        width = len(line) - len(line.lstrip())
        if width > widths[-1]:
            widths.append(width)
            tokens.append(INDENT)
        while width < widths[-1]:
            widths.pop()
            tokens.append(DEDENT)
        tokens += [*words, NEW_LINE]
    return tokens


def _without_trailing_structure(tokens: list[str]) -> list[str]:
    """`tokens` without the line end and the dedents after the last word, which say nothing."""
    while tokens and tokens[-1] in (NEW_LINE, DEDENT):
        tokens.pop()
    return tokens
