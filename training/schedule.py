"""The learning rate of each step: linear warm-up, then constant, linear, cosine or inverse square root."""

from __future__ import annotations

import math

from training.config import LoopConfig


def learning_rate(step: int, total_steps: int, loop: LoopConfig) -> float:
    """The learning rate of optimiser step `step`, counted from 1 to `total_steps`.

    Warm-up: peak * step / warmup, so that step `warmup_steps` has the peak. After it
      constant      peak
      linear        peak * (1 - progress), chapter 3.3's; the Trainer there is one step behind: its first step has 0
      cosine        peak * (1 + cos(pi * progress)) / 2 (Loshchilov and Hutter 2017, equation (5))
      inverse_sqrt  peak * sqrt(warmup / step) (Vaswani et al. 2017, equation (3) in 5.3, scaled to the peak)
    where progress runs from 0 at the end of the warm-up to 1 at `total_steps`. Linear and cosine end at
    `final_share` of the peak.
    """
    peak, warmup = loop.learning_rate, loop.warmup_steps
    if step < warmup:
        return peak * step / warmup
    if loop.schedule == "constant":
        return peak
    if loop.schedule == "inverse_sqrt":
        return peak * math.sqrt(max(warmup, 1) / max(step, 1))
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    remaining = 1 - progress if loop.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return peak * (loop.final_share + (1 - loop.final_share) * remaining)
