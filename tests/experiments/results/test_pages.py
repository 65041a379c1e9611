"""docs/results.md points to one page a suite or benchmark, each with a question and an answer of one sentence."""

import pytest

from experiments.record.lines import read_suites
from experiments.record.measurement import ROOT
from experiments.record.records import CodeVerdict, figures
from experiments.results.__main__ import targets_page
from experiments.results.front import front_table
from experiments.results.pages import index, results_pages


@pytest.fixture(scope="module")
def pages():
    return {page.name: page for page in results_pages(read_suites(ROOT / "docs" / "results"))}


def test_every_page_has_a_question_and_a_short_answer(pages):
    for page in pages.values():
        assert page.question.endswith("?") and page.question in page.text
        assert page.answer != "not run" and len(page.answer) <= 240
        assert f"[{page.name}](results/{page.name}.md)" in index([page])


def test_a_search_shows_its_draws_by_held_out_loss_and_no_test_split(pages):
    shown, _, behind = pages["search_pieces"].text.partition("<details>")
    losses = [float(row.split(" | ")[-1].strip(" |")) for row in shown.splitlines() if row.startswith("| training.")]
    assert losses == sorted(losses) and len(losses) == 10
    assert "compositional" not in shown + behind and "Tests passed" not in shown + behind


def test_what_an_older_recipe_made_is_folded_away_and_labelled(pages):
    shown, _, behind = pages["django"].text.partition("<details><summary>Made by an older recipe or older code: 1<")
    assert "b10d51809cd0dc82" in shown and "d7f83171d8d6292b" not in shown
    assert "d7f83171d8d6292b" in behind


def test_a_figure_that_was_measured_again_stands_there_once_for_each_machine(pages):
    shown, _, behind = pages["speed"].text.partition("<details>")
    rows = [row for row in shown.splitlines() if row.startswith("| import of train.py |")]
    assert len(rows) == 2 and "| import of train.py |" in behind


def test_not_run_says_so():
    assert all(page.answer == "not run" and "Not run." in page.text for page in results_pages({})[:10])


CODES = {"django": "b10d51809cd0dc82", "benchmarks": "569b0d5bc81ec905", "published": "ab6511dd3461caab"}


@pytest.mark.parametrize(("verb", "said"), [("accepts", "counts as"), ("rejects", "Made by earlier code than")])
def test_what_a_proof_says_of_the_code_of_lines_stands_on_their_page(verb, said):
    suites = {name: figures(lines) for name, lines in read_suites(ROOT / "docs" / "results").items()}
    before = {page.name: page.text for page in results_pages(suites)}
    for name, code in CODES.items():
        verdict = {verb: code, "newer": "today", "reason": f"said of {code}"}
        proof = CodeVerdict(suite=name, row="p", command="x", **verdict)
        suites[name] = [*suites[name], proof]
    changed = {page.name: page.text for page in results_pages(suites) if page.text != before[page.name]}
    assert set(changed) == {"django", "benchmark_django", "published"}
    for name, code in zip(changed, CODES.values(), strict=True):
        added = set(changed[name].splitlines()) - set(before[name].splitlines())
        assert any(f"said of {code}" in line for line in added)
        assert any(said in line for line in added) or name == "published"
    assert targets_page(suites) == targets_page(read_suites(ROOT / "docs" / "results"))
    assert front_table(suites) == front_table(read_suites(ROOT / "docs" / "results"))
