"""The table of the six strategies: every claim of the suite stands in it once, and who gains is counted by strategy."""

from experiments.laboratory.statistics import THERE
from experiments.laboratory.suite import load_suite
from experiments.record.records import Measured
from experiments.results import six_strategies
from experiments.results.six_strategies import (
    CLAIMS_OF_STRATEGIES,
    ClaimAnswer,
    answer_of_few_shot,
    answers_by_strategy,
    page_section,
    readme_row,
)


def few_shot(difference, p, seeds=5):
    values = {"plain, k 20": {"value": 40.0}, "fomaml, k 20": {"value": 40.0 + difference}}
    effect = {"value": difference, "low": difference - 3, "high": difference + 3, "p_corrected": p,
              "over": f"{seeds} seeds"}  # fmt: skip
    same = {"suite": "few_shot", "command": "x", "machine": "2 cores", "unit": "%"}
    rows = values | {"fomaml against plain, k 20": effect}
    return [Measured(row=row, **same, **of_row) for row, of_row in rows.items()]


def test_every_claim_of_the_suite_belongs_to_one_strategy():
    named = [name for names in CLAIMS_OF_STRATEGIES.values() for name in names]
    assert sorted(named) == sorted(claim.id for claim in load_suite("strategies").claims)


def test_without_lines_every_claim_is_not_run():
    found = answers_by_strategy({})
    assert list(found) == list(CLAIMS_OF_STRATEGIES) and all(found.values())
    assert {one.answer for claims in found.values() for one in claims} == {"not run"}
    assert page_section({}).count("| not run |") == 8
    assert readme_row({})[2] == "0; **not met**, **not enough runs** for a verdict"


def test_meta_learnings_claim_counts_from_five_points_on():
    # The interval reaches 3 points to either side.
    answers = {(9.0, 0.01): "replicated", (-9.0, 0.01): "contradicted", (9.0, 0.2): "undecided",
               (7.0, 0.001): "undecided", (1.0, 0.2): "no effect", (1.0, 0.01): THERE}  # fmt: skip
    assert {key: answer_of_few_shot(few_shot(*key)).answer for key in answers} == answers
    cells = answer_of_few_shot(few_shot(9.0, 0.01)).cells
    assert cells[1:4] == ["40.0", "49.0", "+9.0 (+6.0 to +12.0) points"]
    of_two = answer_of_few_shot(few_shot(9.0, 0.01, seeds=2))
    assert of_two.cells[-1] == "not enough runs" and not of_two.decided
    assert answer_of_few_shot(few_shot(9.0, 0.01)).decided


def test_a_strategy_with_one_claim_of_two_gains_and_counts_once(monkeypatch):
    yes, no = ClaimAnswer([], "replicated", True), ClaimAnswer([], "no effect", True)
    found = {"1 layer-wise": [no, yes], "2 auxiliary loss": [no], "4 adversarial": [yes, yes], "6 distillation": [yes]}
    monkeypatch.setattr(six_strategies, "answers_by_strategy", lambda _: found)
    assert readme_row({})[2] == "3 (layer-wise, adversarial, distillation); met"
    found["6 distillation"] = [no]
    assert readme_row({})[2] == "2 (layer-wise, adversarial); **not met**"
