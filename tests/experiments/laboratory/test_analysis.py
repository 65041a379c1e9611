"""A suite's lines: which of them count, what is said of them, and how often wrongly where nothing is to be found."""

import random
from dataclasses import replace

import pytest

from experiments.laboratory.analysis import analyse, lines_that_count
from experiments.laboratory.claims import Claim
from experiments.laboratory.metrics import METRICS
from experiments.laboratory.suite import BASE, CONTROL, SAME, Suite, check_suite, definition, rows_of, seeds_of
from experiments.laboratory.tables import as_csv, as_latex, header, notes, table_rows
from experiments.record.cells import as_text
from experiments.record.lines import append_line, read_suite
from system.errors import UserError

SUITE = Suite(
    "tiny", "A tiny suite", {"training.steps": 10}, factors={"model.d_ff": (8, 16)},
    rows={"hidden": {"model.causal": False}}, exposed=("hidden",),
    claims=(Claim("wide-is-better", "Wide is better.", "nobody", "model.d_ff=16", "loss", "lower", 0.1, "", ""),),
)  # fmt: skip


def line(row: str, seed: int, loss: float, score: float = 0.9, suite: Suite = SUITE, code: str = "new") -> dict:
    """A result line with what an analysis reads."""
    scores = {split: {"tests_passed": {"value": score}} for split in (suite.score, *suite.splits)}
    return {
        "suite": suite.name, "row": row, "seed": seed, "code_hash": code, "definition": definition(suite, row),
        "held_out_loss": loss, "scores": scores, "tuned": {}, "tuning": False, "command": "c", "versions": {},
    }  # fmt: skip


def lines_of(effects: dict[str, float], noise: float, seed: int, suite: Suite = SUITE, code: str = "new") -> list[dict]:
    """All lines of a suite whose rows lie so much above the base; a seed lifts all rows of it together."""
    generator = random.Random(seed)
    lifts = [generator.gauss(0, 1) for _ in range(11)]
    return [
        line(row, n, 2 + lifts[n] + effects.get(row, 0.0) + generator.gauss(0, noise), 0.9, suite, code)
        for row in rows_of(suite)
        for n in seeds_of(suite, row)
    ]


def test_rows_are_the_base_the_factors_the_named_ones_and_the_control():
    assert list(rows_of(SUITE)) == [BASE, "model.d_ff=8", "model.d_ff=16", "hidden", CONTROL]


def test_effects_are_found_and_the_controls_behave():
    found = analyse(SUITE, lines_of({"model.d_ff=16": -1.0, CONTROL: 3.0}, noise=0.05, seed=1))
    assert found.verdict("model.d_ff=16", "loss") == "lower"
    assert found.verdict("model.d_ff=8", "loss") in ("no effect", "undecided")
    assert found.verdict(CONTROL, "loss") == "higher" and not found.missing
    assert found.answer(SUITE.claims[0]) == "replicated"
    assert found.primary("hidden") == "in_distribution" and found.primary("model.d_ff=8") == "loss"


def test_a_control_that_is_not_found_is_said():
    found = analyse(SUITE, lines_of({}, noise=0.05, seed=2))
    assert found.controls_behave is False and "do not behave" in notes(found)[0]
    assert analyse(SUITE, []).controls_behave is None


def test_without_effects_at_most_65_of_1000_suites_name_one():
    suite = Suite("null", "No effects", {"a": 1}, rows={f"row {n}": {"a": n} for n in range(2, 12)})
    wrong = 0
    for seed in range(1000):
        found = analyse(suite, lines_of({}, noise=0.3, seed=seed, suite=suite))
        rows = [row for row in (SAME, *rows_of(suite)) if row != BASE]
        wrong += any(found.verdict(row, "loss") in ("higher", "lower") for row in rows)
    assert 20 <= wrong <= 65, wrong


def test_the_newest_complete_code_counts():
    old, new = lines_of({}, 0.1, 3, code="old"), lines_of({}, 0.1, 4, code="new")
    assert lines_that_count(SUITE, old + new)[0] == "new"
    assert lines_that_count(SUITE, old + new[:-1])[0] == "old"
    assert lines_that_count(SUITE, old[:3] + new[:5])[0] == "new"
    assert lines_that_count(SUITE, [])[0] == ""


def test_lines_of_other_code_are_let_in_by_a_line_that_says_why():
    old, new = lines_of({}, 0.1, 3, code="old"), lines_of({}, 0.1, 4, code="new")
    letting_in = {"suite": "tiny", "row": "acceptance", "accepts": "old", "for": "new", "reason": "only messages"}
    mixed = old[:-4] + new[-5:]
    assert len(lines_that_count(SUITE, mixed)[1]) == len(old) - 4
    code, lines, accepted = lines_that_count(SUITE, [*mixed, letting_in])
    assert (code, len(lines)) == ("new", len(old)) and accepted == [letting_in]
    assert any("only messages" in note for note in notes(analyse(SUITE, [*mixed, letting_in])))


def test_a_row_that_meant_something_else_does_not_count():
    lines = lines_of({}, 0.1, 3)
    changed = Suite("tiny", "A tiny suite", {"training.steps": 20}, factors=SUITE.factors)
    assert analyse(changed, lines).missing[BASE] == 10


def test_tables_line_up_and_say_the_same():
    found = analyse(SUITE, lines_of({CONTROL: 3.0}, noise=0.05, seed=1)[:-1])
    head, rows = header(found), table_rows(found)
    assert [row[0] for row in rows] == [BASE, SAME, "model.d_ff=8", "model.d_ff=16", "hidden", CONTROL]
    assert all(len(row) == len(head) for row in rows)
    text = as_text(head, rows).splitlines()
    assert all(line[text[0].index("verdict") - 1] == " " for line in text)
    assert as_csv(head, rows).count("\n") == len(rows) + 1
    latex = as_latex(head, rows)
    assert latex.count(r"\\") == len(rows) + 1 and r"\_" in latex and "%" not in latex.replace(r"\%", "")
    assert "Not run: no cross-attention (1 seeds)." in notes(found)


@pytest.mark.parametrize("field", ["compared", "exposed"])
def test_a_row_that_is_not_there_is_refused(field):
    wrong = {"compared": {"nowhere": BASE}, "exposed": ("nowhere",)}[field]
    with pytest.raises(Exception, match="nowhere"):
        rows_of(Suite("x", "x", {}, **{field: wrong}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "My suite"}, "small letters"), ({"base": {}}, "no training.steps"), ({"score": "speed"}, "'speed'"),
        ({"smallest": {"loss": 0.1}}, "loss and score"), ({"factors": {"data.path": ("a", "b")}}, "data.path"),
        ({"rows": {"short": {"evaluation.limit": 5}}}, "evaluation.limit"),
        ({"rows": {CONTROL: {"model.d_ff": 8}}}, "two rows are called"),
        ({"family": 1, "claims": SUITE.claims * 2}, "family"),
    ],
)  # fmt: skip
def test_a_suite_that_would_fail_late_is_refused_at_once(changes, said):
    suite = {"name": "tiny", "title": "x", "base": {"training.steps": 10}, **changes}
    with pytest.raises(UserError, match=said):
        check_suite(Suite(**suite))


def test_a_run_that_diverged_counts_as_missing():
    lines = lines_of({}, 0.1, 3)
    lines[0]["held_out_loss"] = float("nan")
    assert analyse(SUITE, lines).missing == {BASE: 1}


def test_what_is_not_run_yet_counts_in_the_correction():
    lines = lines_of({"model.d_ff=16": -0.2}, 0.1, 5)
    some = [line for line in lines if line["row"] in (BASE, "model.d_ff=16")]
    pair = ("model.d_ff=16", BASE)
    few, all_of_them = (analyse(SUITE, chosen) for chosen in (some, lines))
    assert few.effects["loss"][pair] == all_of_them.effects["loss"][pair]
    assert few.adjusted["loss"][pair] >= all_of_them.adjusted["loss"][pair]


def test_a_family_corrects_claims_among_themselves():
    lines = lines_of({"model.d_ff=16": -0.2}, 0.1, 5)
    claim, pair = SUITE.claims[0], ("model.d_ff=16", BASE)
    raw = analyse(SUITE, lines).effects["loss"][pair].p
    for family, times in ((1, 1), (7, 7)):  # of one claim, the others being made elsewhere
        found = analyse(replace(SUITE, family=family), lines)
        assert found.adjusted_p(claim) == pytest.approx(min(1, times * raw))
        assert found.adjusted["loss"] == analyse(SUITE, lines).adjusted["loss"], "the table's stay"
    assert analyse(SUITE, lines).adjusted_p(claim) == analyse(SUITE, lines).adjusted["loss"][pair]
    assert any("exploratory" in note for note in notes(found))


def test_two_rows_that_share_a_run_both_keep_its_line(tmp_path):
    first = {**line("model.d_ff=8", 1, 0.5), "config_hash": "c", "data_hash": "d", "threads": 1}
    second = {**first, "row": "model.d_ff=16", "definition": definition(SUITE, "model.d_ff=16")}
    assert append_line(tmp_path, first) and append_line(tmp_path, second) and not append_line(tmp_path, second)
    assert [kept["row"] for kept in read_suite(tmp_path, "tiny")] == ["model.d_ff=8", "model.d_ff=16"]


def test_a_metric_of_several_splits_is_their_mean():
    def line(**values):
        return {"scores": {split: {"exact_match": {"value": value}} for split, value in values.items()}}

    metric = METRICS["dev_perturbed"]
    assert metric.of(line(dev_typos=0.5, dev_synonyms=0.25, dev_drops=0.75)) == 50.0
    assert metric.of(line(dev_typos=0.5)) is None
