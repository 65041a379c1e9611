"""Adam and AdamW with decay on matrices only, and clipping of the whole gradient (chapter 3.1, step 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.config import LoopConfig
from training.device import supports_fused


def make_optimizer(model: nn.Module, loop: LoopConfig) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019) over the weights that are trained.

    The learning rate is the schedule's peak here; the loop sets it before every step (`set_learning_rate`).
    Plain Adam is never given decay: added to the gradient it would be rescaled by Adam's own denominator.
    """
    decay = loop.weight_decay if loop.optimizer == "adamw" else 0.0
    kind = torch.optim.AdamW if loop.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameter_groups(model, decay),
        lr=loop.learning_rate,
        betas=(loop.beta1, loop.beta2),
        eps=loop.epsilon,
        fused=supports_fused(next(model.parameters()).device),
    )


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: matrices, which decay, and vectors (biases, gains of norms), which do not.

    Embeddings and tables of relative positions are matrices and decay, as in nanoGPT. A tied matrix is one
    parameter and stands in one group once. Frozen weights stand in none.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"name": "matrices", "params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"name": "vectors", "params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every parameter group the schedule's value for the coming step."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def clip_gradient(model: nn.Module, clip_norm: float) -> Tensor:
    """Scale the whole gradient down to norm `clip_norm` (0: leave it) and return the norm it had, a scalar.

    A norm that is not finite shows a step that must be skipped: one check covers the loss and every weight.
    """
    limit = clip_norm if clip_norm > 0 else float("inf")
    return nn.utils.clip_grad_norm_(model.parameters(), limit, foreach=True)
