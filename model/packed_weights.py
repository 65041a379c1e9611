"""The decoder's matrices in the layout that a single step of decoding reads fastest.

Matrices that read the same input stand side by side in one product: W^Q, W^K and W^V; the feed-forward layer's gate and
inner matrix. Each is laid out once in the order in which its product reads it, and kept with the model until a weight
changes, for a step of few rows costs little more than reading the weights.

Whether one has changed is looked up before every decoding: by each tensor's address and version, which torch's
operations change, and by its numbers, for writing through `.data`, NumPy or a fused optimiser changes nothing else.
Reading all numbers would cost as much as a few tokens. So all of a vector, or of a matrix of up to 2,047, are read, and
of a larger one every second to every 127th, some in every row and every column: a change of a whole tensor, a row
(a token), a column or a head is seen. Unseen stays a change of fewer numbers of a large matrix through `.data` or
NumPy: call `model.repack()` after it. A phase of training ends with that, and scoring begins with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import MultiHeadAttention
from model.fast import FastTransformer, passed_over
from model.layers import DecoderLayer
from model.linear import has_onednn, onednn_linear
from model.normalization import RMSNorm

PACKED_FOR = 32  # rows that oneDNN's layout is chosen for; it serves 2 rows and 128 rather as well
READ_WHOLE = 1024  # numbers: of a tensor of twice as many or more only some are looked at,
FARTHEST = 127  # at least every so manieth

Part = tuple[Tensor, Tensor | None]  # weight (d_out, d_in) and bias (d_out)


class PackedLinear:
    """y = x W^T + b for inference, with several matrices W side by side in one product."""

    def __init__(self, *parts: Part, one_row: bool) -> None:
        weight = torch.cat([weight for weight, _ in parts])  # (d_out, d_in)
        biases = [bias for _, bias in parts if bias is not None]
        self.bias = torch.cat(biases) if biases else None  # (d_out)
        self.transposed = self.packed = None
        if one_row:
            self.transposed = weight.t().contiguous()  # (d_in, d_out): a third faster than the other way round
        elif weight.dtype == torch.float32 and weight.device.type == "cpu" and has_onednn():
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, PACKED_FOR)
        else:
            self.weight = weight

    def __call__(self, x: Tensor) -> Tensor:
        """The product for R rows: (R, d_in) -> (R, d_out)."""
        if self.transposed is not None:
            return times(x, self.transposed, self.bias)
        if self.packed is not None:
            return onednn_linear(x, self.packed, self.bias)
        return F.linear(x, self.weight, self.bias)


class StepNorm:
    """A norm for the few rows of a step; RMSNorm is computed as sqrt(d) x gain / sqrt(|x|^2 + d epsilon)."""

    def __init__(self, norm: nn.Module) -> None:
        self.norm, self.gain = norm, None
        if isinstance(norm, RMSNorm) and norm.gain.device.type == "cpu":
            # On a CPU F.rms_norm is six operations, half of the time of a small product; this is four.
            d_model = norm.gain.numel()
            self.gain = norm.gain.detach() * d_model**0.5
            self.least = self.gain.new_tensor((d_model * norm.epsilon) ** 0.5)

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise R rows: (R, d_model) -> (R, d_model)."""
        if self.gain is None:
            return self.norm(x)
        return x * self.gain / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), self.least)


@dataclass
class LayerWeights:
    """The packed products and the norms of one decoder layer."""

    layer: DecoderLayer  # its residuals and its activation serve as they are
    norms: list[StepNorm]  # of self-attention, cross-attention and feed-forward layer
    qkv: PackedLinear  # W^Q, with equation (4)'s factor in it, W^K and W^V of self-attention
    output: PackedLinear  # W^O
    cross_query: PackedLinear  # W^Q of cross-attention, with the factor
    cross_output: PackedLinear
    inner: PackedLinear  # gate, where there is one, and W_1
    outer: PackedLinear  # W_2


@dataclass
class DecoderWeights:
    """The packed products of the whole decoder, for steps of one row or of several."""

    layers: list[LayerWeights]
    norm: StepNorm  # behind the last layer
    output: PackedLinear  # W_o of equation (3)


class State:
    """The state of tensors at one time. While it is kept, no other tensor can come to lie where they lie."""

    def __init__(self, weights: list[Tensor]) -> None:
        self.stamp = stamp_of(weights)
        self.seen = [some_numbers(weight) for weight in weights]
        self.numbers = self.read()

    def read(self) -> Tensor:
        """The numbers that are compared, as they are now."""
        return torch.cat([part.flatten() for part in self.seen])

    def lasts(self, weights: list[Tensor]) -> bool:
        """Whether these are the same tensors, unchanged."""
        return self.stamp == stamp_of(weights) and torch.equal(self.read(), self.numbers)


def stamp_of(weights: list[Tensor]) -> list[tuple[int, int]]:
    """Address and version of each tensor."""
    return [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights]


def some_numbers(weight: Tensor) -> Tensor:
    """A view of some numbers of a matrix, evenly spread; of a vector, or what is no single block of memory, all."""
    if weight.dim() < 2 or not weight.is_contiguous():
        return weight.detach()
    step = min(FARTHEST, *weight.shape, max(1, weight.numel() // READ_WHOLE))  # no row or column is stepped over
    while math.gcd(step, weight.shape[-1]) > 1:  # or columns would be
        step -= 1
    return weight.detach().view(-1)[::step]


def decoder_weights(model: FastTransformer, one_row: bool) -> DecoderWeights:
    """The packed weights of `model`, made when there are none or a weight has changed."""
    modules = passed_over(model)
    found = (weight for module in modules for weight in (*module._parameters.values(), *module._buffers.values()))
    weights = list({id(weight): weight for weight in found if weight is not None}.values())  # a tied one once
    state, packed = model.packed_weights.get(one_row, (None, None))
    if state is None or not state.lasts(weights):
        if state is not None:
            model.repack()
        packed = DecoderWeights(
            [pack_layer(layer, one_row) for layer in model.decoder], StepNorm(model.decoder_norm),
            PackedLinear(weight_and_bias(model.output), one_row=one_row),
        )
        model.packed_weights[one_row] = State(weights), packed
    return packed


def pack_layer(layer: DecoderLayer, one_row: bool) -> LayerWeights:
    """Pack the matrices of one decoder layer."""
    own, cross, feed_forward = layer.self_attention, layer.cross_attention, layer.feed_forward
    gate = [] if feed_forward.gate is None else [weight_and_bias(feed_forward.gate)]
    products = {
        "qkv": (scaled_query(own), weight_and_bias(own.key), weight_and_bias(own.value)),
        "output": (weight_and_bias(own.output),),
        "cross_query": (scaled_query(cross),),
        "cross_output": (weight_and_bias(cross.output),),
        "inner": (*gate, weight_and_bias(feed_forward.inner)),
        "outer": (weight_and_bias(feed_forward.outer),),
    }
    residuals = layer.self_attention_residual, layer.cross_attention_residual, layer.feed_forward_residual
    norms = [StepNorm(residual.norm) for residual in residuals]
    packed = {name: PackedLinear(*parts, one_row=one_row) for name, parts in products.items()}
    return LayerWeights(layer, norms, **packed)


def times(x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    """The product x M + b: (R, m), (m, n), (n) -> (R, n)."""
    return x @ matrix if bias is None else torch.addmm(bias, x, matrix)


def weight_and_bias(module: nn.Linear) -> Part:
    """Weight and bias of a linear layer, without their gradients' graph."""
    return module.weight.detach(), None if module.bias is None else module.bias.detach()


def scaled_query(attention: MultiHeadAttention) -> Part:
    """W^Q and its bias, both times the attention's scale 1 / sqrt(d_k)."""
    weight, bias = weight_and_bias(attention.query)
    return weight * attention.scale, None if bias is None else bias * attention.scale
