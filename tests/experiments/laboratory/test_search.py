"""A search draws what was asked, keeps what is good, and refuses what cannot be."""

import pytest

from experiments.laboratory import search
from experiments.laboratory.suite import Suite
from system.errors import UserError

optuna = pytest.importorskip("optuna", reason="optuna is not installed (pip install -e '.[search]')")

SUITE = Suite("tiny", "Tiny", {"corpus": "generated", "training.steps": 90, "pretraining.steps": 0})
SPACE = ("training.learning_rate=1e-4:1e-2:log", "model.dropout=0:0.3", "model.n_heads=1,2,4", "model.d_ff=8:64")


@pytest.fixture
def losses(monkeypatch):
    """Runs that take no time: the loss is the distance of the rate from 1e-3, and less with more steps."""
    made = []

    def loss_of(trial, places):
        steps = next(int(option.partition("=")[2]) for option in trial.options if "training.steps" in option)
        rate = next(float(option.partition("=")[2]) for option in trial.options if "learning_rate" in option)
        made.append((rate, steps))
        return abs(rate - 1e-3) + 1 / steps

    monkeypatch.setattr(search, "loss_of", loss_of)
    return made


def settings(**changes) -> search.Settings:
    return search.Settings(**{"suite": "tiny", "space": SPACE, "trials": 9, "jobs": 1, **changes})


def test_draws_lie_in_the_space_and_are_the_same_each_time(losses):
    first, second = (search.search(settings(), SUITE) for _ in range(2))
    assert first == second and len({str(drawn) for drawn, _ in first}) == 9
    for drawn, of_draw in first:
        assert 1e-4 <= drawn["training.learning_rate"] <= 1e-2 and 0 <= drawn["model.dropout"] <= 0.3
        assert drawn["model.n_heads"] in (1, 2, 4) and len(of_draw) == 1
        assert type(drawn["model.d_ff"]) is int and 8 <= drawn["model.d_ff"] <= 64
    rates = sorted(drawn["training.learning_rate"] for drawn, _ in first)
    assert rates[0] < 5e-4 and rates[-1] > 2e-3, "a logarithmic range has small values too"


def test_halving_gives_the_whole_budget_to_the_better_ones_alone(losses):
    found = search.search(settings(trials=18, halving=3), SUITE)
    budgets = [steps for _, steps in losses]
    assert budgets.count(10) == 18 and 0 < budgets.count(90) <= budgets.count(30) < 12
    away = {n: [abs(drawn["training.learning_rate"] - 1e-3) for drawn, of in found if len(of) == n] for n in (1, 2, 3)}
    best = min(abs(drawn["training.learning_rate"] - 1e-3) for drawn, _ in found)
    assert best in away[3] and max(away[1]) > max(away[3])


@pytest.mark.parametrize("space", ["lr", "lr=", "lr=3:1", "lr=0:1:log", "lr=a:b", "lr=1:2:3", "lr=1:2:lin"])
def test_a_space_that_says_nothing_is_refused(space):
    with pytest.raises(UserError, match="--space lr"):
        search.read_space((space,))
    with pytest.raises(UserError, match="--space is empty"):
        search.read_space(())


def test_what_cannot_be_together_is_refused_before_anything_runs(losses):
    with pytest.raises(UserError, match="not divisible"):
        search.search(settings(space=("model.n_heads=3,5",)), SUITE)
    with pytest.raises(UserError, match="modle.n_heads"):
        search.search(settings(space=("modle.n_heads=2,4",)), SUITE)
    assert not losses


@pytest.mark.parametrize("options", [["--trials", "0"], ["--jobs", "0"], ["--halving", "1"]])
def test_impossible_numbers_are_refused(options):
    with pytest.raises(UserError, match=options[0]):
        search.main(["pieces", "--space", "model.n_heads=2,4", *options])
