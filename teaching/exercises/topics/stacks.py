"""Encoder and decoder as stacks of layers, equations (1) and (2) of chapter 4.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from teaching.exercises.exercise import Case, Exercise, mistakes_of


@dataclass(frozen=True)
class Stack:
    """A stack as a student gets it: layers to call, and the norm at the end of a pre-norm stack."""

    layers: list[Callable[..., ndarray]]
    norm: Callable[[ndarray], ndarray]
    whole: nn.Module = field(repr=False)  # the same stack as PyTorch wires it; the truth alone uses it


def tensor(x: ndarray) -> torch.Tensor:
    """An array as a tensor of its own."""
    return torch.from_numpy(np.array(x))


def blocked(may_attend: ndarray, batch: int, n_queries: int, n_keys: int, heads: int = 1) -> torch.Tensor:
    """Convert a mask in which True means may attend to PyTorch's, in which True means blocked: (B*h, T, S)."""
    wide = np.broadcast_to(may_attend, (batch, n_queries, n_keys))
    return tensor(~wide).repeat_interleave(heads, dim=0)


def of_encoder(layer: nn.Module) -> Callable[..., ndarray]:
    """An encoder layer on arrays: x (B, S, d_model), may_attend broadcasts to (B, S, S)."""

    def call(x: ndarray, may_attend: ndarray) -> ndarray:
        return layer(tensor(x), src_mask=blocked(may_attend, len(x), x.shape[1], x.shape[1])).numpy()

    return call


def of_decoder(layer: nn.Module) -> Callable[..., ndarray]:
    """A decoder layer on arrays: y (B, T, d_model), memory (B, S, d_model) and a mask for each attention."""

    def call(y: ndarray, memory: ndarray, self_may_attend: ndarray, cross_may_attend: ndarray) -> ndarray:
        own = blocked(self_may_attend, len(y), y.shape[1], y.shape[1])
        cross = blocked(cross_may_attend, len(y), y.shape[1], memory.shape[1])
        return layer(tensor(y), tensor(memory), tgt_mask=own, memory_mask=cross).numpy()

    return call


def random_stack(draw: np.random.Generator, decoder: bool, d_model: int, n_layers: int) -> Stack:
    """A pre-norm stack of PyTorch with one head and random weights, gains and biases."""
    sizes = {"d_model": d_model, "nhead": 1, "dim_feedforward": 2 * d_model, "dropout": 0.0}
    options = {**sizes, "batch_first": True, "norm_first": True, "dtype": torch.float64}
    norm = nn.LayerNorm(d_model, dtype=torch.float64)
    if decoder:
        whole = nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), n_layers, norm)
    else:
        whole = nn.TransformerEncoder(nn.TransformerEncoderLayer(**options), n_layers, norm, enable_nested_tensor=False)
    whole.eval().requires_grad_(False)
    for parameter in whole.parameters():
        scale = 1 if parameter.ndim == 1 else 1.5 / d_model**0.5
        parameter.copy_(torch.from_numpy(scale * draw.normal(size=tuple(parameter.shape))))
    call = of_decoder if decoder else of_encoder
    return Stack([call(layer) for layer in whole.layers], lambda x: whole.norm(tensor(x)).numpy(), whole)


def stack_cases(draw: np.random.Generator) -> list[Case]:
    """As many layers in both, sources and targets of different lengths, padded and not."""

    def case(about: str, lengths: list[int], n_source: int, n_target: int, n_layers: int) -> Case:
        d_model = 4
        source, target = (draw.normal(size=(len(lengths), n, d_model)) for n in (n_source, n_target))
        mask = np.arange(n_source) < np.array(lengths)[:, None]  # (B, S)
        stacks = [random_stack(draw, decoder, d_model, n_layers) for decoder in (False, True)]
        return Case(about, (source, mask, target, *stacks))

    return [case("no padding, 2 layers", [3], 3, 4, 2), case("lengths 5 and 2, 3 layers", [5, 2], 5, 4, 3)]


def stacks_by_torch(
    source: ndarray, source_mask: ndarray, target: ndarray, encoder: Stack, decoder: Stack
) -> tuple[ndarray, ndarray]:
    """The outputs of nn.TransformerEncoder and nn.TransformerDecoder."""
    padded = tensor(~source_mask)
    memory = encoder.whole(tensor(source), src_key_padding_mask=padded)
    causal = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
    states = decoder.whole(tensor(target), memory, tgt_mask=causal, memory_key_padding_mask=padded)
    return memory.numpy(), states.numpy()


def slipped_stacks(
    source: ndarray, source_mask: ndarray, target: ndarray, encoder: Stack, decoder: Stack, slip: str
) -> tuple[ndarray, ndarray]:
    """The wiring of both stacks with a known mistake."""
    real = np.ones_like(source_mask) if slip == "padding open" else source_mask
    n_source, n_target = source.shape[1], target.shape[1]
    own = np.tril(np.ones((n_target, n_target), dtype=bool))
    seen, cross = real[:, None, :], real[:, None, :]  # (B, 1, S)

    if slip == "causal encoder":
        seen = seen & np.tril(np.ones((n_source, n_source), dtype=bool))
    if slip == "causal cross":
        cross = cross & np.tril(np.ones((n_target, n_source), dtype=bool))
    if slip == "future":
        own = np.ones_like(own)

    x, after_each = source, []
    for layer in encoder.layers:
        x = layer(source if slip == "same input" else x, seen)
        after_each.append(x)
    memory = x if slip in ("no norm", "no encoder norm") else encoder.norm(x)

    y = target
    for layer, beside in zip(decoder.layers, after_each):
        read = {"layer by layer": beside, "source": source}.get(slip, memory)
        y = layer(target if slip == "same input" else y, read, own, cross)
        if slip == "norm each":
            y = decoder.norm(y)
    return memory, y if slip in ("no norm", "no decoder norm", "norm each") else decoder.norm(y)


STACK_SLIPS = [
    ("layer by layer", "decoder layer i that reads encoder layer i", "every decoder layer is given the same memory"),
    ("no encoder norm", "no norm at the end of the encoder", "memory is what encoder.norm returned"),
    ("no decoder norm", "no norm at the end of the decoder", "what is returned last is what decoder.norm returned"),
    ("no norm", "no norm at the end of either stack", "memory and states are what the two norms returned"),
    ("norm each", "the last norm after every decoder layer", "the norm is called once, behind the last layer"),
    ("source", "a decoder that reads the embedded source", "changing the encoder's weights changes the states"),
    ("causal cross", "a causal mask in cross-attention", "changing the last real source token changes states[:, 0]"),
    ("causal encoder", "a causal mask in the encoder", "changing the last real source token changes memory[:, 0]"),
    ("future", "a decoder that sees the future", "changing the last target token leaves states[:, 0] as it was"),
    ("padding open", "padding open to attention", "changing a padded source token changes no state"),
    ("same input", "every layer reading the input of the first", "what a layer returns is what the next one is given"),
]

ENCODE_DECODE = Exercise(
    "encode_decode", ("memory", "states"), stack_cases, stacks_by_torch, mistakes_of(slipped_stacks, STACK_SLIPS)
)

EXERCISES = (ENCODE_DECODE,)
