"""Adversarial training (chapter 3.2, strategy 4): a network that is right about shifted sources too.

The source's embeddings are shifted: delta, (B, S, d_model), is added to them. With g the gradient of the loss
by delta, of each source by itself, and all norms over one source's S x d_model numbers:

    fgm      delta = epsilon g / |g|: one plain pass gives g, a second one trains at delta (Goodfellow et al. 2015;
             Miyato, Dai and Goodfellow 2017, equation 5, for text)
    freelb   delta_0 random, delta_t = projection to |delta| <= epsilon of delta_{t-1} + rate g / |g|; all passes train
             (Zhu et al. 2020, algorithm 1)
    noise    delta random with |delta| = epsilon, in fgm's place: a control that costs as much

A step takes two passes (fgm, noise) or as many as there are ascents (freelb). The passes share the loss evenly, and
the dropout masks: a gradient under one mask says little of the loss under another, so FreeLB's authors keep them too.
The same idea on words is data/perturb.py: `perturb` of the pairs have typos, synonyms or words left out, at no cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from data.batches import Batch
from model.transformer import Transformer
from training.run.checkpoints import random_states, restore_random_states
from training.strategies.config import AdversaryConfig


def n_passes(adversary: AdversaryConfig) -> int:
    """Forward and backward passes of a batch."""
    return {"none": 1, "fgm": 2, "noise": 2, "freelb": adversary.ascents}[adversary.kind]


def passes(model: Transformer, batch: Batch, adversary: AdversaryConfig) -> Iterator[float]:
    """Yield the share of the loss of each pass that the loop is to make, forward and backward, before it goes on.

    Between two passes the next delta is made of the gradient that the loop's backward pass has left.
    """
    share, epsilon = 1 / n_passes(adversary), adversary.epsilon
    if adversary.kind == "none":
        yield share
        return

    delta = initial_delta(model, batch, adversary)  # (B, S, d_model)
    masks = random_states()  # from which the first pass draws its dropout
    with shifted_embeddings(model, batch.source, delta):
        yield share

    for _ in range(n_passes(adversary) - 1):
        if adversary.kind == "fgm":
            delta = epsilon * unit(delta_gradient(delta))
        elif adversary.kind == "noise":
            delta = epsilon * unit(torch.randn_like(delta) * batch.source_mask[:, :, None])
        else:
            delta = project(delta.detach() + adversary.ascent_rate * unit(delta_gradient(delta)), epsilon)
        delta = delta.detach().requires_grad_()
        following = random_states()
        restore_random_states(masks)
        with shifted_embeddings(model, batch.source, delta):
            yield share
        restore_random_states(following)


def initial_delta(model: Transformer, batch: Batch, adversary: AdversaryConfig) -> Tensor:
    """The first delta (B, S, d_model): zero, or freelb's uniform noise of a norm of at most epsilon."""
    delta = torch.zeros(*batch.source.shape, model.config.d_model, device=batch.source.device)
    if adversary.kind == "freelb":
        is_real = batch.source_mask[:, :, None]  # (B, S, 1)
        numbers = is_real.sum(dim=1, keepdim=True) * model.config.d_model  # (B, 1, 1)
        delta = (2 * torch.rand_like(delta) - 1) * is_real * adversary.epsilon / numbers.sqrt()
    return delta.requires_grad_()


def delta_gradient(delta: Tensor) -> Tensor:
    """The gradient that the last backward pass left in delta; zero where the loss does not depend on it."""
    return torch.zeros_like(delta) if delta.grad is None else delta.grad


def unit(delta: Tensor) -> Tensor:
    """Each source's delta scaled to norm 1: (B, S, d_model); a delta of zeros stays as it is."""
    norms = delta.flatten(1).norm(dim=1)[:, None, None]  # (B, 1, 1)
    return delta / norms.clamp_min(torch.finfo(delta.dtype).tiny)


def project(delta: Tensor, epsilon: float) -> Tensor:
    """The nearest delta whose norm is at most epsilon."""
    norms = delta.flatten(1).norm(dim=1)[:, None, None]  # (B, 1, 1)
    return delta * (epsilon / norms.clamp_min(epsilon)) if epsilon else torch.zeros_like(delta)


@contextmanager
def shifted_embeddings(model: Transformer, source: Tensor, delta: Tensor) -> Iterator[None]:
    """Inside the `with`, delta is added wherever the network embeds this `source`; the weights stay as they are."""

    def add(_module: torch.nn.Module, arguments: tuple[Tensor], embedded: Tensor) -> Tensor | None:
        return embedded + delta if arguments[0] is source else None

    hook = model.embedding.register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()
