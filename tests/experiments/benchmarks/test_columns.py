"""Columns on examples that were worked out by hand."""

import math

import pytest

from data.example import Example
from data.splits import Splits
from experiments.benchmarks.columns import COLUMNS, token_bleu
from experiments.benchmarks.recipes import BENCHMARKS
from experiments.benchmarks.tables import score_rows


def example(nl, code, language="python", tests=()):
    return Example(f"toy:{code}", nl, code, language, tests)


def score(name, column, references, predictions):
    return COLUMNS[name][column](references, predictions)["value"]


def test_djangos_three_columns_differ_in_what_they_look_through():
    references = [example("call f with 'A'", "f ( 'A' )"), example("x is None,", "x = None"), example("x", "x")]
    predictions = ['f("A")', "X = None", "y"]
    found = [score("django", column, references, predictions) for column in COLUMNS["django"]]
    assert found == pytest.approx([0.0, 100 / 3, 200 / 3])


def test_bleu_over_tokens_is_papinenis():
    # 5 tokens each; matches of n = 1..4: 4 of 5, 3 of 4, 2 of 3, 1 of 2; no brevity penalty
    wanted = 100 * math.exp((math.log(4 / 5) + math.log(3 / 4) + math.log(2 / 3) + math.log(1 / 2)) / 4)
    found = token_bleu(str.split)([example("", "a b c d e")], ["a b c d x"])
    assert found["value"] == pytest.approx(wanted) and found["low"] == pytest.approx(found["high"])
    # half as long: the penalty is exp(1 - 8 / 4)
    short = token_bleu(str.split)([example("", "a b c d e f g h")], ["a b c d"])["value"]
    assert short == pytest.approx(100 * math.exp(-1))


def test_a_command_has_the_right_template_whatever_its_arguments():
    pytest.importorskip("bashlex")
    references = [example("", "find . -name 'a b' | wc -l", "bash"), example("", "ls -l", "bash")]
    assert score("nl2bash", "template", references, ["find /x -name '*' | wc -l", "ls -a"]) == 50.0
    assert score("nl2bash", "exact", references, ["find /x -name '*' | wc -l", "ls  -l "]) == 50.0


def test_none_of_four_passed_leaves_room_for_some():
    pairs = [example("add", "def f(x): return x + 1", tests=("assert f(1) == 2",)) for _ in range(4)]
    column = COLUMNS["mbpp"]["tests passed"]
    nothing = column(pairs, ["def f(x): return x"] * 4)
    # Clopper and Pearson: the upper end u of 0 of n solves (1 - u)^n = 0.025
    assert nothing["value"] == nothing["low"] == 0.0 and nothing["high"] == pytest.approx(100 * (1 - 0.025 ** (1 / 4)))
    assert column(pairs, ["def f(x): return x + 1"] * 3 + ["def f("])["value"] == 75.0


def test_the_corpus_own_programs_are_put_to_the_tests_too():
    right = example("add one", "def f(x): return x + 1", tests=("assert f(1) == 2",))
    wrong = example("add two", "def g(x): return x + 3", tests=("assert g(1) == 3",))
    splits = Splits([example("other", "h = 1")], [], [example("other", "h = 1")], {"dev": [right, wrong]}, None)
    rows = score_rows("mbpp", splits, {("dev", each.id): "h = 1" for each in (right, wrong)})
    found = {row["row"]: row["value"] for row in rows}
    assert found["mbpp, dev, tests passed, the corpus's own code"] == 50.0
    assert found["mbpp, dev, tests passed"] == found["mbpp, dev, tests passed, nearest description"] == 0.0


def test_every_benchmark_has_columns_and_a_stage_that_writes_code():
    for name, benchmark in BENCHMARKS.items():
        assert COLUMNS[name] and benchmark.scored in benchmark.decoding
        known = {}
        for stage in benchmark.stages:
            [option.format(**known) for option in stage.options]  # names only stages before it
            known[stage.name] = stage.name
        [option.format(**known) for option in benchmark.scoring]
