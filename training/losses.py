"""Equation (6) over real tokens, with label smoothing (chapter 4.1; Szegedy et al. 2016, section 7).

Every loss here is a sum over real tokens together with their number. The loop divides by the number of real
tokens of the whole optimiser step, so the loss stays the mean over real tokens when a step has several batches.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from data.example import IGNORE


def exact(x: Tensor) -> Tensor:
    """The tensor in float32 at least: sums over tokens and vocabulary lose too much in half precision."""
    return x if x.dtype == torch.float64 else x.float()


def sequence_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
    """Equation (6) from logits: sum over real positions of -log P(y_t | y_<t, X), and their number N.

    logits: (N, V), only the rows of real target tokens, `states[target_mask]` through the output layer, so that
    nothing is computed for padding. targets: (N,) = `target[target_mask]`.
    """
    total = F.cross_entropy(exact(logits), targets, label_smoothing=label_smoothing, reduction="sum")
    return total, targets.numel()


def sequence_loss_written_out(
    log_probs: Tensor, target: Tensor, target_mask: Tensor, label_smoothing: float = 0.0, logits: Tensor | None = None
) -> tuple[Tensor, int]:
    """Equation (6) as it is written, over padded rows; equal to `sequence_loss` and `copy_loss` to rounding.

    With label smoothing the true token's share is 1 - epsilon, and epsilon is spread evenly over the vocabulary:
    loss_t = -(1 - epsilon) log P(y_t) - epsilon * mean over v of log P(v).
    log_probs: (B, T, V); target: (B, T); target_mask: (B, T), True at real tokens. logits: (B, T, V), given where
    copying is mixed in: a token that is not in the source could not be copied, so P(v) is the vocabulary's alone.
    """
    of_target = log_probs.gather(-1, target.unsqueeze(-1)).squeeze(-1)  # (B, T)
    of_vocabulary = log_probs if logits is None else exact(logits).log_softmax(dim=-1)  # (B, T, V)
    of_everything = of_vocabulary.mean(dim=-1)  # (B, T)
    loss = -(1 - label_smoothing) * of_target - label_smoothing * of_everything  # (B, T)
    return loss.masked_fill(~target_mask, 0.0).sum(), int(target_mask.sum())


def copy_loss(mixture_log_probs: Tensor, logits: Tensor, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
    """Equation (6) when the copy head mixes copying into the probabilities (See, Liu and Manning 2017).

    The true token is scored by the mixture; the smoothing's even spread is scored by the vocabulary's softmax
    alone, for a token that does not stand in the source could not be copied.
    mixture_log_probs: (N,), log P of each real target token; logits: (N, V), the vocabulary's scores there.
    """
    loss = -exact(mixture_log_probs)  # (N,)
    if label_smoothing:
        logits = exact(logits)
        spread = logits.logsumexp(-1) - logits.mean(-1)  # (N,), mean over v of -log softmax(logits)_v
        loss = (1 - label_smoothing) * loss + label_smoothing * spread
    return loss.sum(), loss.numel()


def binary_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """Sum of -log of the probability of the labels 0 and 1 under sigmoid(logits), and their number. Both (N,)."""
    return F.binary_cross_entropy_with_logits(exact(logits), exact(labels), reduction="sum"), labels.numel()


def mlm_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """Masked language modelling (Devlin et al. 2019, 3.1): sum of -log P over masked positions, and their number.

    logits: (..., V); labels: (...), IGNORE where nothing was masked.
    """
    flat_logits, flat_labels = exact(logits.flatten(0, -2)), labels.flatten()
    total = F.cross_entropy(flat_logits, flat_labels, ignore_index=IGNORE, reduction="sum")
    return total, int((labels != IGNORE).sum())
