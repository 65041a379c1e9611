"""Code as tokens of its language, by which exact match compares and a corpus is searched for benchmarks' lines.

What is not a token does not count: blanks, line breaks inside brackets, comments, the width of an indentation.
What is one does: quotes (`'a'` is not `"a"`), parentheses, and in Python line breaks and the indentation's structure.
"""

from __future__ import annotations

import io
import re
import tokenize

NEW_LINE, INDENT, DEDENT = "<line>", "<indent>", "<dedent>"  # structure of a Python program, as tokens of its own

_STRING = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
# Strings, words, numbers and the operators of more than one character; then any other single character.
_REGULAR = (
    rf"{_STRING}|\d+\.?\d*(?:[eE][+-]?\d+)?\w*|\w+|\*\*=|//=|>>=|<<=|===|!==|\.\.\.|->|=>|:=|::|&&|\|\||\+\+|--"
    r"|[-+*/%@&|^<>=!]=|\*\*|//|<<|>>|<>|[^\s\w]"
)
_REGULAR_TOKEN = re.compile(_REGULAR)
_PYTHON_TOKEN = re.compile(rf"{_STRING}|#.*|{_REGULAR}")  # comments too, to be left out
# A shell's operators, a file number before a redirection included; then words, whose quoted parts belong to them.
_SHELL_TOKEN = re.compile(
    r"\n|\d*(?:<<<|<<|>>|[<>]&|[<>]\(|[<>])|&>>?|&&|\|\||;;|\$\(|[|&;()]"
    r"|(?:\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|\$(?!\()|[^\s|&;<>()'\"\\$])+|['\"\\]",
    re.DOTALL,
)
_SIMPLE_TOKEN = re.compile(r"\w+|\n|[^\w\s]")
LONGEST_LINE = 10_000  # letters; code has none that long, embedded data may
_SKIPPED = {tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.ENCODING}
_STRUCTURE = {tokenize.NEWLINE: NEW_LINE, tokenize.INDENT: INDENT, tokenize.DEDENT: DEDENT}


def split_tokens(code: str, language: str = "python") -> list[str]:
    """The tokens of `code`; blanks around it do not count.

    Python: the standard library's `tokenize`, or regular tokens where that refuses a fragment. bash: the shell's
    words and operators. Any other language: regular tokens (strings, words, numbers, operators), comments kept.
    Lines beyond LONGEST_LINE: words and signs.
    """
    code = code.replace("\r\n", "\n").replace("\r", "\n").strip()
    if too_long_to_cut(code, language):
        return _SIMPLE_TOKEN.findall(code)
    if language == "bash":
        return _SHELL_TOKEN.findall(code)
    if language != "python":
        return _REGULAR_TOKEN.findall(code)
    try:
        return _without_trailing_structure(_python_tokens(code))
    except (tokenize.TokenError, SyntaxError, UnicodeError, RecursionError):
        return _without_trailing_structure(_regular_lines(code))


def has_tokens(code: str, language: str = "python") -> bool:
    """Whether `split_tokens` finds anything: it does not in blanks, nor in Python's comments alone."""
    lines = (line.strip() for line in code.replace("\r", "\n").split("\n"))  # a comment goes on behind U+2028
    if language != "python" or any(line and not line.startswith("#") for line in lines):  # nearly all, and fast
        return bool(code.strip())
    return bool(split_tokens(code, language))


def too_long_to_cut(code: str, language: str = "python") -> bool:
    """Whether a line, or in bash all, is so long that quotes without an end would be looked for again and again."""
    return len(code) > LONGEST_LINE and (language == "bash" or max(map(len, code.split("\n"))) > LONGEST_LINE)


def token_lines(code: str, language: str = "python") -> list[list[str]]:
    """The tokens of `code` line by line (of Python: logical lines), without those of the indentation."""
    lines: list[list[str]] = [[]]
    for token in split_tokens(code, language):
        if token in (NEW_LINE, "\n"):
            lines.append([])
        elif token not in (INDENT, DEDENT):
            lines[-1].append(token)
    return [line for line in lines if line]


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
        words = [token for token in _PYTHON_TOKEN.findall(line) if not token.startswith("#")]
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
