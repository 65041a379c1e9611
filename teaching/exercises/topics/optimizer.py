"""One step of AdamW (chapter 3.1, step 4); the truth is torch.optim.AdamW."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray

from teaching.exercises.exercise import Case, Exercise, mistakes_of

BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8


def adamw_cases(draw: np.random.Generator) -> list[Case]:
    """The first step, where m and v are 0; a later one; and gradients so small that epsilon counts."""

    def case(about: str, step: int, size: float) -> Case:
        shape = (3, 4)
        past = float(step > 1)
        mean, square = past * size * draw.normal(size=shape), past * (size * draw.normal(size=shape)) ** 2
        return Case(about, (5 * draw.normal(size=shape), size * draw.normal(size=shape), mean, square, step, 0.1, 0.2))

    return [case("the first step", 1, 1.0), case("step 7", 7, 1.0), case("step 3, gradients near 1e-7", 3, 1e-7)]


def adamw_by_torch(
    weight: ndarray, gradient: ndarray, mean: ndarray, square: ndarray, step: int, learning_rate: float, decay: float
) -> tuple[ndarray, ndarray, ndarray]:
    """A step of torch's AdamW from the given running means."""
    parameter = torch.nn.Parameter(torch.tensor(weight))
    parameter.grad = torch.tensor(gradient)
    optimizer = torch.optim.AdamW(
        [parameter], lr=learning_rate, betas=(BETA1, BETA2), eps=ADAM_EPSILON, weight_decay=decay, foreach=False
    )
    optimizer.state[parameter] = {
        "step": torch.tensor(float(step - 1)), "exp_avg": torch.tensor(mean), "exp_avg_sq": torch.tensor(square)
    }  # fmt: skip
    optimizer.step()
    state = optimizer.state[parameter]
    return parameter.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()


def slipped_adamw(
    weight: ndarray, gradient: ndarray, mean: ndarray, square: ndarray, step: int, learning_rate: float, decay: float,
    slip: str,
) -> tuple[ndarray, ndarray, ndarray]:
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) with a known mistake."""
    beta1, beta2 = (1 - BETA1, 1 - BETA2) if slip == "betas" else (BETA1, BETA2)
    g = gradient + decay * weight if slip == "coupled" else gradient
    mean = beta1 * mean + (1 - beta1) * g
    square = beta2 * square + (1 - beta2) * (np.abs(g) if slip == "not squared" else g**2)
    t = step - 1 if slip == "from 0" else step
    m, v = mean / (1 - BETA1**t), square / (1 - BETA2**t)
    if slip == "no correction":
        m, v = mean, square
    root = {"inside": np.sqrt(v + ADAM_EPSILON), "no root": v + ADAM_EPSILON}.get(slip, np.sqrt(v) + ADAM_EPSILON)
    if slip == "returned corrected":
        mean, square = m, v
    shrink = {"coupled": 0.0, "no decay": 0.0, "no rate": decay, "grown": -learning_rate * decay}.get(
        slip, learning_rate * decay
    )
    moved = learning_rate * (gradient if slip == "gradient" else m) / root
    return weight * (1 - shrink) + (moved if slip == "uphill" else -moved), mean, square


ZERO = "with a gradient of 0 from the first step on, the weight becomes weight * (1 - learning_rate * decay)"
FIRST_STEP = "at step 1 every weight moves by learning_rate, whatever the size of its gradient (and decays)"

ADAMW_SLIPS = [
    ("coupled", "decay added to the gradient (L2 in Adam, not AdamW)", ZERO),
    ("no decay", "no weight decay", ZERO),
    ("no rate", "decay not multiplied by the learning rate", ZERO),
    ("grown", "the decay's sign turned", ZERO),
    ("no correction", "no bias correction", FIRST_STEP),
    ("from 0", "steps counted from 0 in the bias correction", FIRST_STEP),
    ("gradient", "the gradient in place of its running mean", "at step 7 a gradient of 0 still moves the weight"),
    ("inside", "epsilon inside of the root", "a first gradient of 1e-7 moves a weight 0.91 times as far as one of 1"),
    ("no root", "v without its root", FIRST_STEP),
    ("not squared", "the gradient not squared in v", "square holds the mean of g**2"),
    ("betas", "beta and 1 - beta exchanged", "after one step from 0, mean is 0.1 g and square is 0.001 g**2"),
    ("returned corrected", "the corrected means returned as the running ones",
     "after one step from 0, mean is 0.1 g and square is 0.001 g**2"),
    ("uphill", "a step along the gradient", "a positive gradient makes the weight smaller"),
]  # fmt: skip

EXERCISES = (
    Exercise("adamw_step", ("weight", "mean", "square"), adamw_cases, adamw_by_torch,
             mistakes_of(slipped_adamw, ADAMW_SLIPS)),
)  # fmt: skip
