"""Meta-learning (chapter 3.2, strategy 5): weights from which a new task is learnt from few examples.

A task is a group of examples that share an operation (`task_of`); a batch holds examples of one task. From the weights
theta a few steps of plain gradient descent are taken on parts of the batch, theta' = theta - rate grad L(theta), and
what they lead to moves theta:

    fomaml    the gradient of the loss of another part of the batch, taken at theta' and used at theta: first-order MAML
              (Finn, Abbeel and Levine 2017, 5.2), which leaves out what theta' owes to theta
    reptile   (theta - theta') / (rate steps), the mean of the gradients on the way (Nichol, Achiam and Schulman 2018)

Both see every example once, so a step costs what a plain one costs. The outer step is the optimiser's, on the mean over
the batches of a step (`training.accumulate`), each of another task.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from data.batches import Batch
from model.transformer import Transformer
from system.device import autocast
from training.batch_loss import batch_loss, n_predicted
from training.config import LoopConfig
from training.strategies.config import MetaConfig


def meta_gradient(
    model: Transformer, batch: Batch, loop: LoopConfig, meta: MetaConfig, share: float
) -> Tensor:
    """Add `share` times one task's meta-gradient to the gradients; returns the sum of the losses on the way.

    A batch of fewer rows than parts has one row a part, and fewer parts.
    """
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    start = [weight.detach().clone() for weight in weights]
    before = [weight.grad for weight in weights]  # of the step's other batches
    query = int(meta.kind == "fomaml")
    parts = split(batch, meta.inner_steps + query)

    total = torch.zeros(())
    for part in parts[: len(parts) - query]:
        total = total + part_gradient(model, part, weights, loop)
        with torch.no_grad():
            for weight in weights:
                if weight.grad is not None:
                    weight.sub_(meta.inner_rate * weight.grad)

    if query:
        total = total + part_gradient(model, parts[-1], weights, loop)
        found = [weight.grad for weight in weights]
    else:
        way = meta.inner_rate * len(parts)
        found = [(first - weight.detach()) / way for first, weight in zip(start, weights, strict=True)]

    with torch.no_grad():
        for weight, first, old, new in zip(weights, start, before, found, strict=True):
            weight.copy_(first)
            weight.grad = old if new is None else share * new + (0.0 if old is None else old)
    return total


def part_gradient(model: Transformer, part: Batch, weights: list[Tensor], loop: LoopConfig) -> Tensor:
    """Set the weights' gradients to that of a part's mean loss; returns the sum of the loss."""
    for weight in weights:
        weight.grad = None
    with autocast(part.source.device, loop.bf16):
        loss, _ = batch_loss(model, part, loop.label_smoothing)
    (loss / max(1, n_predicted(part))).backward()
    return loss.detach()


def split(batch: Batch, n_parts: int) -> list[Batch]:
    """Split a batch into parts of nearly equal numbers of rows, none of them empty."""
    n_parts = max(1, min(n_parts, len(batch.ids)))
    return [some_rows(batch, torch.arange(first, len(batch.ids), n_parts)) for first in range(n_parts)]


def some_rows(batch: Batch, rows: Tensor) -> Batch:
    """A batch of some rows of a batch, with the same padding."""
    tensors = {name: value[rows] for name, value in vars(batch).items() if isinstance(value, Tensor)}
    n_tokens = int(tensors["source_mask"].sum() + tensors["target_mask"].sum())
    return replace(batch, ids=[batch.ids[row] for row in rows.tolist()], n_tokens=n_tokens, **tensors)
