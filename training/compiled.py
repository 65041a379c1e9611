"""Layers that PyTorch's compiler turns into fewer, larger GPU kernels (Ansel et al. 2024): parallel.compile.

All layers of a stack are alike, so each kind is compiled once, for any length of text. On a CPU nothing is compiled:
the first step would wait for a C++ compiler, and model/fast.py has what pays there.
"""

from __future__ import annotations

import torch

from model.fast import FastTransformer, outline, passed_over
from model.transformer import Transformer
from system.errors import UserError


def compile_for(device: torch.device, model: Transformer) -> None:
    """Compile the layers of a network that is on this device. Raises UserError where it is no GPU."""
    if device.type != "cuda":
        raise UserError(f"parallel.compile is for GPUs; leave it out on {device.type}")
    compile_layers(model)


def compile_layers(model: Transformer, backend: str = "inductor") -> None:
    """Compile the layers of a network where they are called first, in place. backend: of torch.compile."""
    as_made = isinstance(model, FastTransformer) and model.made_of == outline(model, passed_over(model))
    for layer in (*model.encoder, *model.decoder):
        layer.compile(dynamic=True, backend=backend)
    if as_made:  # fast decoding passes over the layers, compiled or not
        model.made_of = outline(model, passed_over(model))
