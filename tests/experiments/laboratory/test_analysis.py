"""A suite's lines: which of them count, what is said of them, and how often wrongly where nothing is to be found."""

import random
from dataclasses import replace

import pytest

from experiments.laboratory.analysis import analyse, lines_that_count
from experiments.laboratory.claims import Claim
from experiments.laboratory.counting import codes_that_count
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.plan import make_plan
from experiments.laboratory.statistics import (
    LARGER,
    NO_EFFECT,
    NOT_ENOUGH,
    OUT_OF_REGIME,
    SMALLER,
    THERE,
    UNDECIDED,
)
from experiments.laboratory.suite import BASE_ROW, CONTROL, SAME_ROW, Suite, check_suite, definition, rows_of, seeds_of
from experiments.laboratory.tables import as_csv, as_latex, header, notes, table_rows
from experiments.record.cells import as_text
from experiments.record.lines import append_line, read_suite
from experiments.record.records import CodeVerdict, ResultLine, TrialMarks, stored_line
from system.errors import UserError

SUITE = Suite(
    "tiny", "A tiny suite", {"training.steps": 10}, factors={"model.d_ff": (8, 16)},
    rows={"hidden": {"model.causal": False}}, exposed=("hidden",),
    claims=(Claim("wide-is-better", "Wide is better.", "nobody", "model.d_ff=16", "loss", "lower", 0.1, "", ""),),
)  # fmt: skip


def line(row: str, seed: int, loss: float, score: float = 0.9, suite: Suite = SUITE, code: str = "new") -> ResultLine:
    """A result line with what an analysis reads."""
    scores = {split: {"tests_passed": {"value": score}} for split in (suite.score, *suite.splits)}
    return ResultLine(
        suite=suite.name, row=row, command="c", config={}, config_hash="c", code_hash=code, data_hash="d", seed=seed,
        threads=1, machine="m", versions={}, budget={}, scores=scores, held_out_loss=loss,
        trial=TrialMarks(request_hash="r", definition=definition(suite, row)),
    )  # fmt: skip


def lines_of(
    effects: dict[str, float], noise: float, seed: int, suite: Suite = SUITE, code: str = "new"
) -> list[ResultLine]:
    """All lines of a suite whose rows lie so much above the base; a seed lifts all rows of it together."""
    generator = random.Random(seed)
    lifts = [generator.gauss(0, 1) for _ in range(11)]
    return [
        line(row, n, 2 + lifts[n] + effects.get(row, 0.0) + generator.gauss(0, noise), 0.9, suite, code)
        for row in rows_of(suite)
        for n in seeds_of(suite, row)
    ]


def test_rows_are_the_base_the_factors_the_named_ones_and_the_control():
    assert list(rows_of(SUITE)) == [BASE_ROW, "model.d_ff=8", "model.d_ff=16", "hidden", CONTROL]


def test_effects_are_found_and_the_controls_behave():
    found = analyse(SUITE, lines_of({"model.d_ff=16": -1.0, CONTROL: 3.0}, noise=0.05, seed=1))
    assert found.verdict("model.d_ff=16", "loss") == SMALLER
    assert found.verdict("model.d_ff=8", "loss") in (NO_EFFECT, UNDECIDED)
    assert found.verdict(CONTROL, "loss") == LARGER and not found.missing
    assert found.answer(SUITE.claims[0]) == "replicated"
    assert found.primary("hidden") == "in_distribution" and found.primary("model.d_ff=8") == "loss"


def test_a_control_that_is_not_found_is_said():
    found = analyse(SUITE, lines_of({}, noise=0.05, seed=2))
    assert found.controls_behave is False and "do not behave" in notes(found)[0]
    assert analyse(SUITE, []).controls_behave is None


@pytest.mark.slow
def test_without_effects_at_most_65_of_1000_suites_name_one():
    suite = Suite("null", "No effects", {"a": 1}, rows={f"row {n}": {"a": n} for n in range(2, 12)})
    wrong = 0
    for seed in range(1000):
        found = analyse(suite, lines_of({}, noise=0.3, seed=seed, suite=suite))
        rows = [row for row in (SAME_ROW, *rows_of(suite)) if row != BASE_ROW]
        wrong += any(found.verdict(row, "loss") in (LARGER, SMALLER, THERE) for row in rows)
    assert 20 <= wrong <= 65, wrong


def test_the_newest_complete_code_counts():
    old, new = lines_of({}, 0.1, 3, code="old"), lines_of({}, 0.1, 4, code="new")
    assert lines_that_count(SUITE, old + new)[0] == "new"
    assert lines_that_count(SUITE, old + new[:-1])[0] == "old"
    assert lines_that_count(SUITE, old[:3] + new[:5])[0] == "new"
    assert lines_that_count(SUITE, [])[0] == ""


def test_lines_of_other_code_are_let_in_by_a_line_that_says_why():
    old, new = lines_of({}, 0.1, 3, code="old"), lines_of({}, 0.1, 4, code="new")
    letting_in = CodeVerdict(
        suite="tiny", row="acceptance", command="c", accepts="old", newer="new", reason="only messages"
    )
    mixed = old[:-4] + new[-5:]
    assert len(lines_that_count(SUITE, mixed)[1]) == len(old) - 4
    code, lines, accepted = lines_that_count(SUITE, [*mixed, letting_in])
    assert (code, len(lines)) == ("new", len(old)) and accepted == [letting_in]
    assert any("only messages" in note for note in notes(analyse(SUITE, [*mixed, letting_in])))


def test_a_row_that_meant_something_else_does_not_count():
    lines = lines_of({}, 0.1, 3)
    changed = Suite("tiny", "A tiny suite", {"training.steps": 20}, factors=SUITE.factors)
    assert analyse(changed, lines).missing[BASE_ROW] == 10


def test_tables_line_up_and_say_the_same():
    found = analyse(SUITE, lines_of({CONTROL: 3.0}, noise=0.05, seed=1)[:-1])
    head, rows = header(found), table_rows(found)
    assert [row[0] for row in rows] == [BASE_ROW, SAME_ROW, "model.d_ff=8", "model.d_ff=16", "hidden", CONTROL]
    assert all(len(row) == len(head) for row in rows)
    text = as_text(head, rows).splitlines()
    assert all(line[text[0].index("verdict") - 1] == " " for line in text)
    assert as_csv(head, rows).count("\n") == len(rows) + 1
    latex = as_latex(head, rows)
    assert latex.count(r"\\") == len(rows) + 1 and r"\_" in latex and "%" not in latex.replace(r"\%", "")
    assert "Not run: no cross-attention (1 seeds)." in notes(found)


@pytest.mark.parametrize("field", ["compared", "exposed"])
def test_a_row_that_is_not_there_is_refused(field):
    wrong = {"compared": {"nowhere": BASE_ROW}, "exposed": ("nowhere",)}[field]
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
    lines[0] = replace(lines[0], held_out_loss=float("nan"))
    assert analyse(SUITE, lines).missing == {BASE_ROW: 1}


def test_what_is_not_run_yet_counts_in_the_correction():
    lines = lines_of({"model.d_ff=16": -0.2}, 0.1, 5)
    some = [line for line in lines if line.row in (BASE_ROW, "model.d_ff=16")]
    pair = ("model.d_ff=16", BASE_ROW)
    few, all_of_them = (analyse(SUITE, chosen) for chosen in (some, lines))
    assert few.effects["loss"][pair] == all_of_them.effects["loss"][pair]
    assert few.adjusted["loss"][pair] >= all_of_them.adjusted["loss"][pair]


def test_a_family_corrects_claims_among_themselves():
    lines = lines_of({"model.d_ff=16": -0.2}, 0.1, 5)
    claim, pair = SUITE.claims[0], ("model.d_ff=16", BASE_ROW)
    raw = analyse(SUITE, lines).effects["loss"][pair].p
    for family, times in ((1, 1), (7, 7)):  # of one claim, the others being made elsewhere
        found = analyse(replace(SUITE, family=family), lines)
        assert found.adjusted_p(claim) == pytest.approx(min(1, times * raw))
        assert found.adjusted["loss"] == analyse(SUITE, lines).adjusted["loss"], "the table's stay"
    assert analyse(SUITE, lines).adjusted_p(claim) == analyse(SUITE, lines).adjusted["loss"][pair]
    assert any("exploratory" in note for note in notes(found))


def test_two_rows_that_share_a_run_both_keep_its_line(tmp_path):
    first, second = (stored_line(line(row, 1, 0.5)) for row in ("model.d_ff=8", "model.d_ff=16"))
    assert append_line(tmp_path, first) and append_line(tmp_path, second) and not append_line(tmp_path, second)
    assert [kept.row for kept in read_suite(tmp_path, "tiny")] == ["model.d_ff=8", "model.d_ff=16"]


def test_a_metric_of_several_splits_is_their_mean():
    def scored(**values):
        scores = {split: {"exact_match": {"value": value}} for split, value in values.items()}
        return replace(line(BASE_ROW, 1, 0.5), scores=scores)

    metric = SUITE_METRICS["dev_perturbed"]
    assert metric.value_in(scored(dev_typos=0.5, dev_synonyms=0.25, dev_drops=0.75)) == 50.0
    assert metric.value_in(scored(dev_typos=0.5)) is None


def with_scores(lines: list[ResultLine], scores: dict[str, float]) -> list[ResultLine]:
    """The lines with these rows' scores."""
    for one in lines:
        if one.row in scores:
            for split in one.scores.values():
                split["tests_passed"]["value"] = scores[one.row]
    return lines


EFFECTS = {"model.d_ff=8": 1.0, "model.d_ff=16": -1.0, CONTROL: 3.0}


def test_a_row_beside_a_base_that_has_not_learned_is_out_of_regime():
    found = analyse(SUITE, with_scores(lines_of(EFFECTS, 0.05, 1), {BASE_ROW: 0.04}))
    for row in (SAME_ROW, *EFFECTS):
        word, why = found.verdict_and_note(row, "loss")
        assert word == OUT_OF_REGIME and why.startswith("base: not learned, 4.0%"), row
    assert found.answer_and_note(SUITE.claims[0])[0] == OUT_OF_REGIME
    assert found.controls_behave, "the controls are about differences, in regime or not"


def test_a_row_that_does_not_learn_beside_one_that_does_is_worse_and_nothing_else():
    found = analyse(SUITE, with_scores(lines_of(EFFECTS, 0.05, 1), dict.fromkeys(EFFECTS, 0.049)))
    assert found.verdict_and_note("model.d_ff=8", "loss") == (LARGER, "")  # that it does not learn is the finding
    assert found.verdict_and_note("model.d_ff=8", "in_distribution") == (SMALLER, "")
    assert found.verdict_and_note("model.d_ff=16", "loss") == (OUT_OF_REGIME, "model.d_ff=16: not learned, 4.9%")
    enough = analyse(SUITE, with_scores(lines_of(EFFECTS, 0.05, 1), dict.fromkeys(EFFECTS, 0.05)))
    assert enough.verdict("model.d_ff=16", "loss") == SMALLER


@pytest.mark.parametrize("row, edge", [("model.d_ff=16", True), (BASE_ROW, True), ("model.d_ff=8", False)])
@pytest.mark.parametrize("rate", [5e-4, 2e-3])
def test_a_rate_at_the_edge_of_its_grid_is_no_tuned_rate(row, edge, rate):
    suite = replace(SUITE, tuned={"training.learning_rate": (5e-4, 1e-3, 2e-3)})
    lines = lines_of(EFFECTS, 0.05, 1, suite)
    for one in lines:
        one.trial.tuned["training.learning_rate"] = rate if one.row == row else 1e-3
    found = analyse(suite, lines)
    word, why = found.verdict_and_note("model.d_ff=16", "loss")
    assert (word == OUT_OF_REGIME) == edge
    assert why == (f"{row}: learning rate {rate:g} at the edge of its grid" if edge else "")
    assert (found.verdict(SAME_ROW, "loss") == OUT_OF_REGIME) == (row == BASE_ROW)


def test_four_seeds_are_not_enough_whatever_else_is_wrong():
    lines = [one for one in with_scores(lines_of(EFFECTS, 0.05, 1), {BASE_ROW: 0.0}) if one.seed != 3]
    assert analyse(SUITE, lines).verdict_and_note("model.d_ff=16", "loss") == (NOT_ENOUGH, "")


def test_an_effect_of_which_it_is_open_whether_it_counts_says_so():
    suite = replace(SUITE, smallest={"loss": 1.0, "score": 2.0})
    found = analyse(suite, lines_of({"model.d_ff=16": -1.0}, 0.05, 1))
    assert found.verdict_and_note("model.d_ff=16", "loss") == (UNDECIDED, "there, but perhaps smaller than what counts")


@pytest.mark.parametrize("margin, said", [
    (0.009, ""), (0.011, "its margin of 0.011 nats is 5.5 times what counts in its suite; "
                         "with its suite's 0.002: smaller by what counts"),
    (9.0, "its margin of 9 nats is larger than the loss of base itself, "),
])  # fmt: skip
def test_a_claim_keeps_its_margin_and_says_where_it_is_large(margin, said):
    suite = replace(SUITE, claims=(replace(SUITE.claims[0], smallest=margin),))
    word, beside = analyse(suite, lines_of({"model.d_ff=16": -1.0}, 0.05, 1)).answer_and_note(suite.claims[0])
    assert word == (THERE if margin > 1 else "replicated") and beside.startswith(said) and bool(beside) == bool(said)


def test_a_row_that_cannot_be_counts_nowhere():
    rows = {"odd": {"model.n_heads": 3, "model.d_model": 16}, "idle": {"training.steps": 10}}
    suite = replace(SUITE, rows={**SUITE.rows, **rows})
    lines = lines_of({"model.d_ff=16": -0.2}, 0.1, 5)
    whole, found = analyse(SUITE, lines), analyse(suite, lines)
    assert list(found.refused) == ["odd", "idle"] and not found.missing and found.code == "new"
    assert found.adjusted == whole.adjusted, "not in Holm's correction either"
    assert [row[0] for row in table_rows(found)] == [row[0] for row in table_rows(whole)]
    said = [note for note in notes(found) if note.startswith("Not possible")]
    assert len(said) == 2 and "idle: it changes nothing" in said[1]
    assert codes_that_count(suite, lines, "today")[0] == "new", "the suite is complete without them"


def test_seeds_are_as_many_as_the_suite_says_and_never_cut_in_silence():
    more = replace(SUITE, seeds={"hidden": 20, BASE_ROW: 20, CONTROL: 3})
    assert seeds_of(check_suite(more), "hidden") == list(range(1, 21)) == seeds_of(more, BASE_ROW)
    assert (len(seeds_of(more, CONTROL)), len(seeds_of(more, "model.d_ff=8"))) == (3, 5)
    with pytest.raises(UserError, match="hidden has 20 seeds and base, which it is set against, 10; give both"):
        check_suite(replace(SUITE, seeds={"hidden": 20}))
    with pytest.raises(UserError, match="has no seed"):
        check_suite(replace(SUITE, seeds={"hidden": 0}))
    with pytest.raises(UserError, match=r"--seeds 20: suite tiny gives fewer to some rows \(base 10, model.d_ff=8 5"):
        make_plan(SUITE, [], (), seeds=20)
    with pytest.raises(UserError, match="--seeds 7"):
        make_plan(SUITE, [], (), seeds=7, only=[BASE_ROW, "hidden"])
    assert len(make_plan(SUITE, [], (), seeds=7, only=[BASE_ROW]).trials) == 7
