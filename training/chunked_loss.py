"""Equation (6) through the output layer, without holding the logits of a whole batch.

The logits of a step are its largest tensor (V numbers for each target token), and the plain form reads or writes it
about ten times: scores, log-softmax, its gradient, the two products of the backward pass. The loss is one number, so
its gradient can be made at once: here a few rows at a time go from the decoder's states to their loss and back again
while their logits are still in the cache.

    loss_t = -(1 - epsilon) log P(y_t) - epsilon * mean over v of log P_vocab(v)
    P(y_t) = p_gen P_vocab(y_t) + p_copy(y_t)        with a copy head, else P_vocab(y_t)

With p = P_vocab, s = p_gen p(y_t) / P(y_t) the generated share of the true token (1 without a copy head):

    d loss_t / d logits    = ((1 - epsilon) s + epsilon) p - (1 - epsilon) s onehot(y_t) - epsilon / V
    d loss_t / d log p_gen = -(1 - epsilon) s          d loss_t / d log p_copy = -(1 - epsilon) (1 - s)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from data.batches import Batch
from model.heads import CopyScores, copied_log_probs
from model.linear import FEWEST_ROWS
from model.transformer import Transformer
from training.losses import exact, sequence_loss

LOGITS_AT_ONCE = 1 << 22  # logits that are held at a time: 16 MiB in float32, a part of a processor's last cache


def fast_pair_loss(model: Transformer, batch: Batch, memory: Tensor, label_smoothing: float) -> tuple[Tensor, int]:
    """Equation (6) of pairs at the real target tokens alone, through `chunked_loss`; memory (B, S, d_model)."""
    real, mixture = batch.target_mask, ()
    targets = batch.target[real]  # (N)
    if isinstance(model.copy_head, CopyScores):  # logits that the source has a part in cannot be made in chunks
        inputs = batch.source, batch.source_mask, batch.decoder_input, batch.target, real
        _, logits = model.target_log_probs(*inputs, memory)  # (N, V)
        return sequence_loss(logits, targets, label_smoothing)
    states = model.decode(batch.decoder_input, memory, batch.source_mask)  # (B, T, d_model)
    if model.copy_head is not None:
        pointer = model.copy_head(states, memory, batch.source_mask)
        copied = copied_log_probs(pointer, batch.source, batch.target)  # (B, T)
        mixture = pointer.log_generate[real], (pointer.log_copy + copied)[real]  # (N) both
    return chunked_loss(model.logits, (model.output.weight,), states[real], targets, label_smoothing, *mixture)


def chunked_loss(
    logits_of: Callable[[Tensor], Tensor], weights: tuple[Tensor, ...], states: Tensor, targets: Tensor,
    label_smoothing: float = 0.0, log_generate: Tensor | None = None, log_copy: Tensor | None = None,
) -> tuple[Tensor, int]:
    """Sum of the loss over N tokens, and N; equal to `sequence_loss` and `copy_loss` to rounding.

    logits_of: states (n, d_model) -> logits (n, V), a function of the `weights` alone. states (N, d_model), targets
    (N,). With a copy head log_generate (N,) = log p_gen and log_copy (N,) = log p_copy(y_t).
    """
    most = max(FEWEST_ROWS, LOGITS_AT_ONCE // max(1, weights[0].shape[0]))
    n_parts = max(1, math.ceil(len(states) / most))
    rows = max(FEWEST_ROWS, math.ceil(len(states) / n_parts))  # equal parts: a short one costs nearly as much
    inputs = log_generate, log_copy, states, *(weight for weight in weights if weight.requires_grad)
    # The function itself cannot tell: there no_grad always holds, and the weights ask for gradients all the same.
    wanted = torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in inputs)
    return ChunkedLoss.apply(logits_of, rows, wanted, label_smoothing, targets, *inputs), targets.numel()


class ChunkedLoss(torch.autograd.Function):
    """The sum of the loss, as an operation whose forward pass computes the gradients and whose backward scales them."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd wants every tensor as an argument of its own
        ctx: FunctionCtx, logits_of: Callable[[Tensor], Tensor], rows: int, wanted: bool, smoothing: float,
        targets: Tensor, log_generate: Tensor | None, log_copy: Tensor | None, states: Tensor, *weights: Tensor,
    ) -> Tensor:
        """As in `chunked_loss`, `rows` at a time; `weights` are those that learn -> a scalar."""
        of_mixture = [torch.empty_like(part) for part in (log_generate, log_copy) if part is not None]  # (N,) each
        of_states, of_weights = torch.empty_like(states), [torch.zeros_like(weight) for weight in weights]
        widest = torch.float32 if states.device.type == "mps" else torch.float64  # MPS has no float64
        total = torch.zeros((), dtype=widest, device=states.device)

        for first in range(0, len(states), rows):
            part = slice(first, first + rows)
            with torch.set_grad_enabled(wanted):
                leaf = states[part].detach().requires_grad_(wanted)
                logits = logits_of(leaf)  # (n, V)
            mixture = None if log_generate is None else (log_generate[part], log_copy[part])
            loss, of_logits, share = loss_and_gradient(logits.detach(), targets[part], smoothing, mixture)
            total += loss.sum(dtype=total.dtype)

            if wanted:
                of_states[part], *new = torch.autograd.grad(logits, (leaf, *weights), of_logits.to(logits.dtype))
                for gradient, more in zip(of_weights, new, strict=True):
                    gradient.add_(more)
                for gradient, value in zip(of_mixture, (share, 1 - share), strict=False):
                    gradient[part] = (smoothing - 1) * value

        ctx.mixed = log_generate is not None
        ctx.save_for_backward(*of_mixture, of_states, *of_weights)
        return total.to(states.dtype if states.dtype == torch.float64 else torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the sum, a scalar -> the gradients of the mixture, the states and the weights."""
        scaled = [saved * gradient.to(saved.dtype) for saved in ctx.saved_tensors]
        return (*[None] * 5, *(() if ctx.mixed else (None, None)), *scaled)


def loss_and_gradient(
    logits: Tensor, targets: Tensor, smoothing: float, mixture: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of each row, its gradient by the logits, and the share s: (n,), (n, V), (n,)."""
    logits = exact(logits)
    targets = targets[:, None]  # (n, 1)
    probs = logits.softmax(dim=-1)  # (n, V)
    # The most probable token has a probability of at least 1 / V, so its logarithm is exact; the target's may be 0.
    logsumexp = logits.amax(dim=-1) - probs.amax(dim=-1).log()  # (n,)
    log_prob = logits.gather(1, targets)[:, 0] - logsumexp  # (n,)

    share = torch.ones_like(log_prob)  # (n,)
    if mixture is not None:
        generated, copied = mixture[0] + log_prob, mixture[1]  # (n,) both
        log_prob = torch.logaddexp(generated, copied)
        share = (generated - log_prob).exp()

    loss = -(1 - smoothing) * log_prob
    if smoothing:
        loss = loss + smoothing * (logsumexp - logits.mean(dim=-1))

    if mixture is not None:
        probs.mul_(((1 - smoothing) * share + smoothing)[:, None])
    if smoothing:
        probs.sub_(smoothing / probs.shape[1])
    probs.scatter_add_(1, targets, (smoothing - 1) * share[:, None])
    return loss, probs, share
