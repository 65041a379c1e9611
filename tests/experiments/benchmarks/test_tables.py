"""The benchmarks' table: what a row of ours says of itself, and what stands beside it."""

import pytest

from experiments.benchmarks.columns import COLUMNS
from experiments.benchmarks.published import NOT_CHECKED, PUBLISHED
from experiments.benchmarks.recipes import BENCHMARKS
from experiments.benchmarks.tables import decoding_in_words, table_cells
from experiments.record.records import Measured


def row(part, who, column, value, n, half=1.0):
    return Measured(
        "benchmarks", "row", "x", "2 cores", value, "%", low=value - half, high=value + half, n=n, part=part, who=who,
        column=column,
    )  # fmt: skip


def django(whole, new, nearest=20.0):
    """Rows of 1,000 dev lines, 800 of them new, in TranX's protocol."""
    column = "TranX's protocol"
    return [
        row("dev", "this project", column, whole, 1000), row("dev", "nearest description", column, nearest, 1000),
        row("dev, new pairs", "this project", column, new, 800),
    ]  # fmt: skip


def test_a_score_is_weighed_as_the_test_file_by_the_share_of_duplicates():
    _, cells = table_cells("django", django(whole=76.0, new=70.0))
    # 760 right in all, 560 of the new ones: all 200 duplicates; 0.859 * 70 + 0.141 * 100 = 74.23
    (weighed,) = [line for line in cells if "weighed as the test file" in line[0]]
    assert "14.1%" in weighed[0] and weighed[3] == "74.2"


def test_one_network_decoded_greedily_stands_below_the_ensemble():
    greedy = row("dev", "x", "strict", 71.7, 1000)
    _, cells = table_cells("django", django(76.0, 70.0), greedy)
    assert cells[0][0].startswith("dev: three networks, reverse reranker, beam 8")
    assert cells[1][0] == "dev: one network, greedy" and cells[1][2].startswith("71.7")
    assert (cells[0][5], cells[1][5]) == ("3, and 1 that reranks", "1")


@pytest.mark.parametrize("nearest, says_so", [(74.9, False), (75.0, True), (80.0, True)])
def test_a_row_whose_interval_reaches_down_to_the_nearest_description_does_not_beat_it(nearest, says_so):
    _, cells = table_cells("django", django(whole=76.0, new=70.0, nearest=nearest))
    assert ("does not beat the nearest description** (TranX's protocol)" in cells[0][0]) == says_so
    assert "does not beat" not in cells[2][0], "the new pairs have no such line here"


def test_every_recipe_says_how_many_networks_it_uses():
    found = {name: decoding_in_words(benchmark) for name, benchmark in BENCHMARKS.items()}
    assert found["django"] == ("3, and 1 that reranks", "three networks, reverse reranker, beam 8")
    assert found["hearthstone"] == ("1", "one network, beam 4") and found["conala"] == ("1", "one network, beam 8")


def test_every_published_figure_has_a_source_and_a_column_that_compares():
    assert set(PUBLISHED) == set(COLUMNS)
    for name, systems in PUBLISHED.items():
        for one in systems:
            assert one.source and one.networks and one.pretrained and set(one.figures) <= set(COLUMNS[name]), one
            assert one.figures or any(letter.isdigit() for letter in one.note), one
    assert any(one.source == NOT_CHECKED for one in PUBLISHED["hearthstone"])
