"""On a GPU the next step's batches are padded and copied beside the step that runs, by a thread.

On a CPU this would take from the step what it gives: there is nothing to wait for, and a thread more on the same cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Plan = TypeVar("Plan")
Step = TypeVar("Step")


def makes_beside(device: torch.device) -> bool:
    """Whether steps on this device leave the processor time to make the next one's batches."""
    return device.type == "cuda"


def made_beside(make: Callable[[Plan], Step], plans: Iterator[Plan]) -> Iterator[Step]:
    """make(plan) of all plans, in order; while the caller works with one, a thread makes the next.

    The plans are drawn by the caller's thread: where several processes exchange something to draw them, they do so in
    the same order as everything else that they exchange.
    """
    with ThreadPoolExecutor(1, "next step") as pool:
        ahead = pool.submit(make, next(plans))
        for plan in plans:
            made, ahead = ahead, pool.submit(make, plan)
            yield made.result()
        yield ahead.result()
