"""Batches that are made beside the steps are those that are made between them, and a stopped run goes on with them."""

import json
import threading
from itertools import count, islice

import pytest
from safetensors.torch import load_file

from training.prefetch import made_beside

OPTIONS = """--training.steps 14 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 3
    --training.accumulate 2 --training.objectives.mlm 0.5""".split()  # three epochs of four steps and more


def test_the_next_one_is_made_by_a_thread_while_the_first_is_in_use():
    begun, here = [threading.Event() for _ in range(20)], threading.get_ident()
    drawn = []

    def make(plan):
        begun[plan].set()
        assert threading.get_ident() != here
        return plan

    def plans():
        for number in count():
            drawn.append(threading.get_ident())
            yield number

    for number in islice(made_beside(make, plans()), 10):
        assert begun[number + 1].wait(timeout=60), "it is not waited for"
        assert len(drawn) == number + 2, "one is ahead, no more"
    assert set(drawn) == {here}
    assert list(made_beside(lambda plan: plan, iter(range(3)))) == [0, 1, 2]


def test_what_a_plan_raises_is_raised_where_it_is_asked_for():
    def make(plan):
        return 1 / plan

    made = made_beside(make, iter([1, 0, 1]))
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)


def losses(folder):
    return [json.loads(line)["loss"] for line in open(folder / "metrics.jsonl", encoding="utf-8")]


@pytest.mark.parametrize("kill_at", [None, 7])
def test_a_run_is_the_same_in_every_bit(run, tmp_path, monkeypatch, one_thread, kill_at):
    between, beside = tmp_path / "between", tmp_path / "beside"
    assert run(between, OPTIONS) == 0
    monkeypatch.setattr("training.phase.makes_beside", lambda _: True)
    if kill_at:
        assert run(beside, OPTIONS, kill_at=kill_at) == "killed"
        run(beside, ["--resume"])
    else:
        run(beside, OPTIONS)
    expected, found = (load_file(folder / "model.safetensors") for folder in (between, beside))
    assert expected.keys() == found.keys() and all(weight.equal(found[name]) for name, weight in expected.items())
    assert losses(between)[-1] == losses(beside)[-1]
