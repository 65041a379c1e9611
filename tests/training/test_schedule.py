"""The learning rates of each schedule, by hand and against the papers' formulas."""

import math

import pytest
import torch

from training.config import LoopConfig
from training.schedule import learning_rate

EVERY = ["constant", "linear", "cosine", "inverse_sqrt"]


def rates(total, **settings):
    loop = LoopConfig(learning_rate=1.0, **settings)
    return [learning_rate(step, total, loop) for step in range(1, total + 1)]


@pytest.mark.parametrize("schedule", EVERY)
def test_warm_up_is_linear_and_ends_at_the_peak(schedule):
    assert rates(10, schedule=schedule, warmup_steps=4)[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize(
    ("schedule", "final_share", "expected"),
    [
        ("constant", 0.0, [1, 1, 1, 1]),
        ("linear", 0.0, [0.75, 0.5, 0.25, 0]),
        ("linear", 0.2, [0.8, 0.6, 0.4, 0.2]),
        ("cosine", 0.0, [(2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4, 0]),
        ("cosine", 0.5, [0.5 + (2 + math.sqrt(2)) / 8, 0.75, 0.5 + (2 - math.sqrt(2)) / 8, 0.5]),
        ("inverse_sqrt", 0.0, [math.sqrt(4 / 5), math.sqrt(4 / 6), math.sqrt(4 / 7), math.sqrt(1 / 2)]),
    ],
)
def test_the_decay_has_its_values(schedule, final_share, expected):
    got = rates(8, schedule=schedule, warmup_steps=4, final_share=final_share)[4:]
    assert got == pytest.approx(expected)


def test_inverse_square_root_is_that_of_the_transformer_paper():
    """Vaswani et al. 2017, equation (3): d_model^-0.5 * min(step^-0.5, step * warmup^-1.5)."""
    d_model, warmup = 512, 4000
    loop = LoopConfig(learning_rate=d_model**-0.5 * warmup**-0.5, schedule="inverse_sqrt", warmup_steps=warmup)
    for step in (1, 100, 3999, 4000, 4001, 100_000):
        paper = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert learning_rate(step, 100_000, loop) == pytest.approx(paper)


def test_without_a_warm_up_inverse_square_root_starts_at_the_peak():
    assert rates(4, schedule="inverse_sqrt", warmup_steps=0) == pytest.approx([1, 2**-0.5, 3**-0.5, 1 / 2])


def test_cosine_is_that_of_torch():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.1)
    for ours in rates(20, schedule="cosine", warmup_steps=0, final_share=0.1):
        optimizer.step()
        schedule.step()
        assert ours == pytest.approx(schedule.get_last_lr()[0])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_last_step_has_the_final_share_and_so_has_every_step_beyond_it(schedule):
    loop = LoopConfig(learning_rate=1.0, schedule=schedule, warmup_steps=4, final_share=0.2)
    for step, total in ((5, 5), (6, 6), (9, 6), (10, 6)):
        assert learning_rate(step, total, loop) == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", EVERY)
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 1), (5, 5), (3, 500), (7, 0)])
def test_short_runs_and_long_warm_ups_have_a_rate_at_every_step(schedule, total, warmup):
    assert all(0 <= rate <= 1 for rate in rates(total, schedule=schedule, warmup_steps=warmup))
