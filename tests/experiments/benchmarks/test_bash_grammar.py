"""Templates by the shell's grammar, worked out by hand."""

import sys

import pytest

from data.code.bash_template import command_template
from experiments.benchmarks.bash_grammar import grammar_template
from system.errors import UserError


@pytest.mark.parametrize(
    ("command", "template"),
    [
        ("find . -name '*.txt' -exec wc -l {} \\;", "find ARG -name ARG -exec wc -l {} \\;"),
        ('ls "$(dirname $x)"', "ls $( dirname ARG )"),
        ("ls `pwd` -l", "ls $( pwd ) -l"),
        ("sort <a 2>/dev/null", "sort < ARG > ARG"),
        ("while read l; do echo $l; done < f", "while read ARG ; do echo ARG ; done < ARG"),
        ("comm <(sort a) <(sort b)", "comm <( sort ARG ) <( sort ARG )"),
        ("a | b && c -d 1", "a | b && c -d ARG"),
        ("for f in *; do mv $f x; done", "for ARG in ARG ; do mv ARG ; done"),
    ],
)
def test_substitutions_and_redirections_are_parsed(command, template):
    pytest.importorskip("bashlex")
    assert grammar_template(command) == template


def test_what_does_not_parse_goes_by_words():
    pytest.importorskip("bashlex")
    for broken in ("find . -name 'a | wc -l", "PS1='${c'", "groups $(who | cut -d' ${' -f 1)"):
        assert grammar_template(broken) == command_template(broken)


def test_without_bashlex_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bashlex", None)
    with pytest.raises(UserError, match=r"\[bash\]"):
        grammar_template("ls")
