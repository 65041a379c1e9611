"""Adam and AdamW with decay on matrices only, and clipping of the whole gradient (chapter 3.1, step 4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from system.device import supports_fused
from training.config import LoopConfig


def make_optimizer(
    model: nn.Module, loop: LoopConfig, shares: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019) over the weights that are trained.

    The learning rate is the schedule's peak here; the loop sets it before every step (`set_learning_rate`). `shares`:
    parameter name -> what it has of that rate.
    Plain Adam is never given decay: added to the gradient it would be rescaled by Adam's own denominator.
    """
    decay = loop.weight_decay if loop.optimizer == "adamw" else 0.0
    kind = torch.optim.AdamW if loop.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameter_groups(model, decay, shares),
        lr=loop.learning_rate,
        betas=(loop.beta1, loop.beta2),
        eps=loop.epsilon,
        fused=supports_fused(next(model.parameters()).device),
    )


def parameter_groups(
    model: nn.Module, weight_decay: float, shares: Mapping[str, float] | None = None
) -> list[dict]:
    """Two groups for each share of the learning rate: matrices, which decay, and vectors (biases, gains of norms).

    Embeddings and tables of relative positions are matrices and decay, as in nanoGPT. A tied matrix is one
    parameter and stands in one group once. Frozen weights stand in none.
    """
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = []
    for share in sorted(set(shares.values()), reverse=True) if shares else [1.0]:
        alike = [parameter for name, parameter in trained if not shares or shares[name] == share]
        for name, decay in (("matrices", weight_decay), ("vectors", 0.0)):
            params = [parameter for parameter in alike if (parameter.ndim >= 2) == (name == "matrices")]
            groups.append({"name": name, "params": params, "weight_decay": decay, "share": share})
    return groups


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every parameter group its share of the schedule's value for the coming step."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("share", 1.0)


def clip_gradient(model: nn.Module, clip_norm: float) -> Tensor:
    """Scale the whole gradient down to norm `clip_norm` (0: leave it) and return the norm it had, a scalar.

    A norm that is not finite shows a step that must be skipped: one check covers the loss and every weight.
    """
    limit = clip_norm if clip_norm > 0 else float("inf")
    return nn.utils.clip_grad_norm_(model.parameters(), limit, foreach=True)
