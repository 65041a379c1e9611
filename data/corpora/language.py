"""The language of a user's own code: what he says it is, or a guess from the code itself.

The language decides what a token is (data/code/tokens.py: `#001eef` is a comment in Python and a word elsewhere) and
whether "parses" can be judged. A guess that is wrong costs more than none: what looks like no language that is known
here is "text", whose tokens are words, numbers and signs, and which loses nothing.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from data.example import evenly

LOOKED_AT = 100  # codes that a guess is made from
FIRST_ROWS = 1000  # they are taken of so many rows at the beginning
LONGEST = 20_000  # characters of a code that is looked at
BEGINNING = 2000  # characters of it in which signs are looked for
MOST = 0.8  # share of the codes that must read like Python: much that is no Python parses as such
HALF = 0.5  # share that must show another language's own signs, which need not stand in every line
TEXT = "text"

# Endings of files (parallel text is named by them) and other names that people use -> a language's name here.
NAMES = {
    "py": "python", "python3": "python", "sh": "bash", "shell": "bash", "zsh": "bash", "js": "javascript",
    "ts": "typescript", "java": "java", "c": "c", "h": "c", "cpp": "c++", "cc": "c++", "cxx": "c++", "cs": "c#",
    "go": "go", "golang": "go", "rs": "rust", "rb": "ruby", "php": "php", "sql": "sql", "r": "r", "html": "html",
    "css": "css", "xml": "xml", "json": "json", "yaml": "yaml", "yml": "yaml", "tex": "latex", "ps1": "powershell",
    "hs": "haskell", "scala": "scala", "kt": "kotlin", "swift": "swift", "lua": "lua", "jl": "julia", "pl": "perl",
    "python": "python", "bash": "bash", "javascript": "javascript", "txt": TEXT, TEXT: TEXT,
}  # fmt: skip
COMMANDS = (
    "apt apt-get awk basename cd chgrp chmod chown cp crontab curl df dig dirname docker du egrep env fgrep gawk git "
    "grep gunzip gzip hostname ifconfig ln ls md5sum mkdir mv nl npm pip printf ps pwd readlink rev rm rmdir rsync scp "
    "sed seq shuf ssh su sudo tac tar tr uname uniq unzip wc wget xargs zcat zip"
)
ALSO_WORDS = (  # commands that a sentence may begin with: "find the largest number"
    "cat cut date diff echo find head history jobs kill mount paste ping rename screen sort split stat tail tee touch "
    "tree which"
)
OF_A_COMMAND = " [-+]\\w|[/|$*<>~\\\\]|[.]\\w|[\"'].*[\"']|\\d"  # then one of these stands on its line
# Each language's own signs as regular expressions, in which a blank is one or more and " ?" any: how its codes begin...
BEGINNINGS = {
    "sql": ("(?:--.*\n|/[*].*[*]/|[(\\s])*(?:select (?![=.])(?=(?s:.*)(?:from (?!the |an? |your )|[(*@\\d]))|"
            "insert into (?!the |an? |your )|update \\S+ set (?s:.*)=|delete from (?!the |an? |your ))",
            "with \\w+ as ?[(]", "explain select ",
            "(?:create|alter|drop|truncate) (?:or replace |temporary |unique )?(?:table|view|index|database)\\b"),
    "html": ("<(?:!doctype|!--|[?]xml|/?[a-z][\\w:-]*)",),
    "bash": (f"(?:\\w+=\\S* )*(?:{'|'.join(COMMANDS.split())})(?= [^=(]| ?[|;&<>]| ?$)",  # its argument, or its end
             f"(?:\\w+=\\S* )*(?:{'|'.join(ALSO_WORDS.split())})(?= [^=(]| ?[|;&<>])(?=.*(?:{OF_A_COMMAND}))",
             "#!.*sh\\b", "for \\w+ in .*; ?do\\b", "while .*; ?do\\b", "if \\[", "\\w+=[$]"),
    "c": ("# ?(?:include|define|ifn?def|pragma)\\b",
          "(?:const |static |unsigned )*(?:int|char|float|double|void|long|size_t)[\\s*]+\\w+ ?[=;,[(].*[;{]"),
    "r": ("[\\w.]+ <- ",),
    "powershell": ("(?:[$]\\w+ = )?[a-z]+-[a-z]+ -[a-z]", "(?:get|set|new|remove)-[a-z]+\\b"),
}  # fmt: skip
# ... and what stands somewhere in them. Where two languages fit, the first counts.
SIGNS = {
    "c": ("\\bint main ?[(]", "\\bstd::\\w", "\\bprintf ?[(].*;"),
    "c#": ("\\bConsole[.]\\w", "^using System\\b", "[{] get; ", "\\bforeach ?[(]\\w+ \\w+ in "),
    "java": ("\\bSystem[.]out[.]", "\\bpublic (?:static|class|interface|void|final)\\b", "\\bprivate \\w+ \\w+",
             "\\bnew \\w+(?:<.*>)? ?[(].*;"),
    "go": ("^package \\w+$", "^func [\\w(]", "\\bfmt[.]\\w+[(]", "\\b\\w+ := "),
    "rust": ("\\bfn \\w+ ?[<(]", "\\blet mut ", "\\bprintln![(]", "\\bimpl .*{"),
    "php": ("<[?]php", "[$]\\w+ ?(?:=|->).*;"),
    "javascript": ("\\b(?:const|let|var) [\\w{[]", "=>", "\\bfunction ?\\w* ?[(]", "\\bconsole[.]\\w+[(]", "[!=]==",
                   "\\bdocument[.]\\w", "[$][(](?:['\"]|this\\b|document\\b|function\\b)"),
    "r": ("%>%",),
}  # fmt: skip


def language_named(name: str) -> str:
    """A language's name as it is written here: "Python" and "py" are "python", "sh" is "bash"."""
    name = name.strip().lower().removeprefix(".")
    return NAMES.get(name, name)


def guessed_language(codes: Iterable[str], column: str = "") -> str:
    """The language that the name of the code's column (or the ending of its file) says, else that the codes read like.

    One letter says nothing: a column may be called `c` or `r` for any reason.
    """
    named = NAMES.get(column.lower(), TEXT)
    return named if named != TEXT and len(column) > 1 else most_alike(looked_at(codes))


def looked_at(codes: Iterable[str]) -> list[str]:
    """The codes that a guess is made from: some, spread over those at the beginning, and no empty ones."""
    found = [code for code in islice(codes, FIRST_ROWS) if code.strip() and len(code) <= LONGEST]
    return list(evenly(found, LOOKED_AT))[:LOOKED_AT]


def most_alike(codes: Sequence[str]) -> str:
    """The language that enough of the codes read like, or "text"."""
    for name, reads_so in READERS.items():
        if codes and n_alike(codes, reads_so) >= (MOST if name in ("python", "json") else HALF) * len(codes):
            return name
    return TEXT


def n_alike(codes: Iterable[str], reads_so: Callable[[str], bool]) -> int:
    """How many of the codes read so."""
    return sum(map(reads_so, codes))


def reads_like_json(code: str) -> bool:
    """Whether a code is a JSON object or list."""
    try:
        return isinstance(json.loads(code), (dict, list))
    except (ValueError, RecursionError):
        return False


def reads_like_python(code: str) -> bool:
    """Whether a code, or a line cut out of some, parses as Python and says more than names, numbers and strings.

    What has lines that end in a semicolon parses too, and is hardly ever Python.
    """
    code = textwrap.dedent(code).strip()
    if re.search(r";\s*$", code, re.MULTILINE):
        return False
    for tried in (code, f"{code}\n    pass", f"if x:\n    pass\n{code}\n    pass", f"try:\n    pass\n{code}\n    pass"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                body = ast.parse(tried).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
        return not all(map(says_nothing, body))
    return False


def says_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is names, numbers or strings with - / . or : between them, as prose, YAML and files have."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    value = statement.value if isinstance(statement, ast.Expr) else None
    while isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Sub, ast.Div)):
        if not isinstance(value.right, (ast.Name, ast.Constant)):
            return False
        value = value.left
    while isinstance(value, ast.Attribute):
        value = value.value
    return isinstance(value, (ast.Name, ast.Constant))


def reader_of(name: str) -> Callable[[str], bool]:
    """A function that says whether a code begins like a language's, or holds its signs."""
    patterns = *(f"\\A{begin}" for begin in BEGINNINGS.get(name, ())), *SIGNS.get(name, ())
    pattern = "|".join(patterns).replace(" ?", "\\s*").replace(" ", "\\s+")
    signs = re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    return lambda code: signs.search(code.strip()[:BEGINNING]) is not None


READERS: dict[str, Callable[[str], bool]] = {
    "json": reads_like_json, **{name: reader_of(name) for name in {**BEGINNINGS, **SIGNS}}, "python": reads_like_python
}  # fmt: skip
