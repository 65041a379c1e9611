"""The template of a shell command: its programs and flags without their arguments.

    find . -name '*.txt' -exec wc -l {} \\;   ->   find ARG -name ARG -exec wc -l {} \\;

NL2Bash's authors count commands of one template as one kind (Lin et al. 2018, 4.1). Commands that differ in file names
alone are nearly the same question, so a split by template asks more than one by command. This is done by words, not by
a shell's grammar: what stands inside quotes is an argument, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from data.code.tokens import split_tokens

ARGUMENT = "ARG"
SEPARATORS = {"|", "|&", "||", "&&", "&", ";", ";;", "(", "$(", "`", "\n", "<(", ">("}  # a program's name follows
KEYWORDS = {"if", "then", "elif", "else", "while", "until", "do", "{", "time"}  # and after these
WRAPPERS = {"sudo", "nohup", "exec", "command", "xargs", "env", "-exec", "-execdir", "-ok", "-okdir"}  # and these
SIGNS = {"!", r"\!", "{}", r"\;", "+", r"\(", r"\)", "}", "fi", "done", "in", "esac"}  # words that say how, not what
OPERATOR = re.compile(r"[\d&]*[<>|&;()]+|\$\(|`|\n")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
FLAG = re.compile(r"-[A-Za-z](?=\d[\d,.:-]*$)|--?[A-Za-z][\w-]*|-\d+$")  # without the value that is written into it
TAKES_VALUE = {"-I", "-n", "-P", "-L", "-d", "-s", "-E", "-a"}  # flags of xargs that a word follows


def command_template(command: str) -> str:
    """The template of a command: programs, flags and operators, and one placeholder for arguments in a row."""
    return template_of_words(split_tokens(command, "bash"))


def template_of_words(words: Iterable[str]) -> str:
    """The template of a command that is given as its words and operators, one after the other."""
    found: list[str] = []
    expected, last = True, ""  # whether a program's name may stand here, and the word before
    for word in words:
        if OPERATOR.fullmatch(word) or word in KEYWORDS:
            found.append(word)
            expected = word in SEPARATORS or word in KEYWORDS
        elif word in SIGNS:
            found.append(word)
        elif expected and not ASSIGNMENT.match(word) and not word.startswith("-") and last not in TAKES_VALUE:
            found.append(word)
            expected = word in WRAPPERS
        elif flag := FLAG.match(word):
            found.append("-" + ARGUMENT if flag[0][1].isdigit() else flag[0])
            expected = expected or word in WRAPPERS
        elif not found or found[-1] != ARGUMENT:
            found.append(ARGUMENT)
        last = word
    return " ".join(found)
