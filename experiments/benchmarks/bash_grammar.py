"""The template of a shell command by the shell's own grammar (`bashlex`, GPL: an extra, loaded only when asked for).

data/code/bash_template.py goes by words; here quotes, substitutions and redirections are parsed, so a command inside
`"$(...)"` counts too. NL2Bash's authors compare templates by a parser of theirs that grew out of bashlex (Lin et al.
2018, 5.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from data.code.bash_template import command_template, template_of_words
from data.code.tokens import split_tokens
from system.errors import UserError

OPEN_BRACE = re.compile(r"\$\{[^}]*\Z")  # bashlex 0.18 looks for the other one for ever
SUBSTITUTIONS = ("commandsubstitution", "processsubstitution")


def grammar_template(command: str) -> str:
    """Programs, flags and operators of a command; what bashlex cannot parse goes by words. Raises UserError."""
    try:
        import bashlex
    except ModuleNotFoundError:
        raise UserError('bashlex is not installed (pip install -e ".[bash]")') from None
    if any(OPEN_BRACE.search(word) for word in split_tokens(command, "bash")):
        return command_template(command)
    try:
        trees = bashlex.parse(command)
    except Exception:  # bashlex raises its own errors, NotImplementedError, and on odd input nearly any other
        return command_template(command)
    return template_of_words(word for tree in trees for word in flat_words(tree, command))


def flat_words(node: Any, command: str) -> Iterator[str]:
    """The words and operators below a node, substitutions in their brackets."""
    if node.kind in ("word", "assignment"):
        inside = [part for part in node.parts if part.kind in SUBSTITUTIONS]
        for part in inside:
            sign = command[part.pos[0] : part.pos[0] + 2]
            yield sign if sign in ("<(", ">(") else "$("
            yield from flat_words(part.command, command)
            yield ")"
        if not inside:
            yield command[slice(*node.pos)]
    elif node.kind == "redirect":
        yield node.type
        if hasattr(node.output, "kind"):  # a file, not a number
            yield from flat_words(node.output, command)
    elif node.kind in ("pipe", "operator", "reservedword"):
        yield command[slice(*node.pos)]
    else:
        for part in (*(getattr(node, "list", None) or getattr(node, "parts", ())), *getattr(node, "redirects", ())):
            yield from flat_words(part, command)
