"""The commands of data/ answer a mistake with one line."""

import sys

import pytest

from data.__main__ import main
from data.tasks.__main__ import main as generated

MISTAKES = {
    "stats generated --data.generated-test 0": "data.generated_test=0 must be at least 1",
    "stats nosuch": "corpus 'nosuch' is unknown",
    "stats django --data.path /nowhere": "/nowhere does not exist",
    "stats django --nosuch 3": "--nosuch is not an option",
    "fetch nosuch": "'nosuch' cannot be fetched",
}


def said_in_one_line(capsys):
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_in_a_command_on_corpora_is_one_line(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["python -m data", *words.split()])
    assert main() == 2
    assert MISTAKES[words] in said_in_one_line(capsys)


@pytest.mark.parametrize("words", ["--train 0", "--draws 0", "--json /nowhere/x.json"])
def test_a_mistake_in_the_statistics_of_generated_tasks_is_one_line(words, capsys):
    assert generated(words.split()) == 2
    assert words.split()[0].strip("-") in said_in_one_line(capsys)
