"""Paired differences over seeds, checked against sums done by hand."""

import pytest

from experiments.laboratory.paired_runs import differences, equality_verdict, newest, pairs_of, table_rows
from experiments.record.records import ResultLine


def scores(*pairs):
    return dict(enumerate(pairs))


def test_differences_are_percent_of_the_first_kind():
    pairs = scores((2.0, 2.02), (0.5, 0.49))
    assert differences(pairs) == pytest.approx([1.0, -2.0])
    # mean -0.5, standard deviation 3 / sqrt(2), half the width 6.313752 * 1.5 = 9.470627
    assert table_rows(pairs) == [
        ["0", "2.0000", "2.0200", "+1.00%"],
        ["1", "0.5000", "0.4900", "-2.00%"],
        ["mean", "1.2500", "1.2550", "-0.50% (-9.97% to +8.97%)"],
    ]
    assert table_rows(scores((2.0, 2.02)))[1] == ["mean", "2.0000", "2.0200", "+1.00%"]
    assert table_rows({}) == []


@pytest.mark.parametrize(
    ("percent", "said"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], "equal within 1%"),  # 0.3 +- 0.151: equal, though zero lies outside
        ([-0.4, -0.2, 0.0, 0.2, 0.4], "equal within 1%"),
        ([0.7, 0.8, 0.9, 1.0, 1.1], "not shown to be equal within 1%"),  # 0.9 +- 0.151: the mean is inside
        ([-2.0, -1.0, 0.0, 1.0, 2.0], "not shown to be equal within 1%"),  # 0 +- 1.507
        ([-0.7, -0.8, -0.9, -1.0, -1.1], "not shown to be equal within 1%"),
        ([0.0, 0.0, 0.0, 0.0], "not enough runs for a verdict: 4 of at least 5 seeds"),
        ([], "not enough runs"),
    ],
)
def test_the_verdict_needs_five_seeds_and_the_whole_interval_inside(percent, said):
    assert equality_verdict(scores(*((100.0, 100.0 + p) for p in percent)), 1.0).startswith(said)


def line(kind, seed, loss, code="new", **config):
    return ResultLine(
        suite="dropout", row=kind, command="x", seed=seed, threads=2, machine="2 cores", versions={}, budget={},
        config={"steps": 10, "masks": kind, **config}, config_hash="c", code_hash=code, data_hash="d",
        scores={"held_out": {"loss": {"value": loss, "n": 3}}},
    )  # fmt: skip


def test_only_lines_of_one_code_and_configuration_are_compared_and_only_whole_pairs():
    lines = [
        line("torch", 0, 9.0, code="old"), line("fast", 0, 9.0, code="old"), line("fast", 1, 9.0, steps=20),
        line("fast", 2, 3.5), line("torch", 1, 2.0), line("torch", 0, 1.0), line("fast", 0, 1.5), line("fast", 1, 2.5),
    ]  # fmt: skip
    score = ("scores", "held_out", "loss", "value")
    assert pairs_of(newest(lines, "masks"), ("torch", "fast"), score) == {0: (1.0, 1.5), 1: (2.0, 2.5)}


def test_a_run_without_the_score_makes_no_pair():
    lines = [line("torch", 0, None), line("fast", 0, 1.5), line("torch", 1, 2.0), line("fast", 1, 2.5)]
    assert pairs_of(lines, ("torch", "fast"), ("scores", "held_out", "loss", "value")) == {1: (2.0, 2.5)}
