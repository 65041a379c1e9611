"""Activation checkpointing: the backward pass computes a layer's forward pass again (Chen et al. 2016).

What a layer's forward pass makes is kept until the backward pass needs it, and with many layers that is most of the
memory of a step. Here only what goes into each layer is kept; its backward pass first makes the rest once more, for a
third more arithmetic. Dropout is replayed from the state that torch's generator had, so the gradient is the same in
every bit. The layers' classes are exchanged, as `make_fast` exchanges those of other modules (model/fast.py); where no
gradient is made (decoding, held-out losses) a layer computes what it always does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from model.fast import FastTransformer, outline, passed_over
from model.layers import DecoderLayer, EncoderLayer
from model.transformer import Transformer


class RecomputedEncoderLayer(EncoderLayer):
    """An encoder layer that keeps what it is given alone."""

    def forward(self, *inputs: Any) -> Tensor:
        """As in `EncoderLayer`."""
        return with_little_kept(super().forward, inputs)


class RecomputedDecoderLayer(DecoderLayer):
    """A decoder layer that keeps what it is given alone."""

    def forward(self, *inputs: Any) -> Tensor:
        """As in `DecoderLayer`."""
        return with_little_kept(super().forward, inputs)


def with_little_kept(forward: Any, inputs: tuple[Any, ...]) -> Tensor:
    """What this forward pass gives; if a gradient is to be made, the backward pass will compute it again."""
    if not torch.is_grad_enabled():
        return forward(*inputs)
    return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=True)


RECOMPUTED = {EncoderLayer: RecomputedEncoderLayer, DecoderLayer: RecomputedDecoderLayer}


def recompute_layers(model: Transformer) -> None:
    """Let each layer of a network compute its forward pass again in the backward pass, from now on."""
    as_made = isinstance(model, FastTransformer) and model.made_of == outline(model, passed_over(model))
    for layer in (*model.encoder, *model.decoder):
        layer.__class__ = RECOMPUTED.get(type(layer), type(layer))
    if as_made:  # fast decoding need not step through these layers either
        model.made_of = outline(model, passed_over(model))
