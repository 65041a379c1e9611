"""The held-out loss, and the end of a phase in which it no longer falls."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from data.example import BadRecords, evenly
from training.batch_loss import batch_loss
from training.config import ObjectivesConfig
from training.ema import averaged_weights
from training.mixture import Mixture
from training.run.state import Run
from training.state import Phase
from training.stream import Stream
from training.tracking import write_metrics

EARLY_STOPPING = ("best_held_out_loss", "stale_evaluations")  # of the run's position; each phase begins them anew


@torch.no_grad()
def held_out_loss(run: Run, phase: Phase) -> float | None:
    """The mean of -log P over the real target tokens of the held-out pairs: equation (6) without smoothing or dropout.

    Pretraining's is that of its own objectives, on what it holds out. None where nothing is held out, or nothing of it
    is short enough.
    """
    held_out, objectives = phase.corpus.held_out, ObjectivesConfig()
    if phase.name == "pretraining":
        held_out = list(evenly(held_out, run.settings.data.held_out))
        objectives = replace(phase.loop.objectives, schedule=())  # of all epochs at once
    run.model.eval()
    mixture = Mixture(objectives, run.tokenizer, 0, held_out)
    stream = Stream(mixture, run.settings.data, BadRecords(), run.ranks)
    with averaged_weights(run.model, phase.average):
        own_part = own_held_out if phase.shards is None else phase.shards.held_out
        total, tokens = own_part(run, stream)
    if run.ranks is not None:
        total, tokens = run.ranks.total(total, tokens)
    run.model.train()
    return total / tokens if tokens else None


def own_held_out(run: Run, stream: Stream) -> tuple[float, int]:
    """Sum of the loss over what a stream's batches predict, and how much that is, of this process's share of them."""
    total, tokens = 0.0, 0
    for number, planned in enumerate(stream.planned_epoch()):
        if run.ranks is None or number % run.ranks.world == run.ranks.rank:
            loss, n = batch_loss(run.model, stream.collated(planned).to(run.device), 0.0)
            total, tokens = total + float(loss), tokens + n
    return total, tokens


def is_stale(counters: dict[str, float], loss: float, patience: int) -> bool:
    """Count a held-out loss; whether it has not fallen for `patience` evaluations in a row (0: never)."""
    if loss < counters.get("best_held_out_loss", math.inf):
        counters["best_held_out_loss"], counters["stale_evaluations"] = loss, 0
        return False
    counters["stale_evaluations"] = counters.get("stale_evaluations", 0) + 1
    return was_stopped_early(counters, patience)


def was_stopped_early(counters: dict[str, float], patience: int) -> bool:
    """Whether early stopping has ended the phase that these counters belong to (patience 0: never)."""
    return 0 < patience <= counters.get("stale_evaluations", 0)


def record_kept_loss(run: Run, phase: Phase) -> None:
    """Print, and write to metrics.jsonl, the held-out loss of weights that no training step produced."""
    loss = held_out_loss(run, phase)
    if loss is not None:
        write_metrics(run, phase.name, held_out_loss=loss)
        print(f"{phase.name}: held-out loss of the mean {loss:.4f}")
