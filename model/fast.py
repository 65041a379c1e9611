"""The fast network: the plain one of model/transformer.py, its modules' classes exchanged for faster ones.

A fast module computes what the plain one computes, equal to rounding, on the same tensors under the same names. The
plain network knows nothing of it: it is made first, parameters and all, and `make_fast` exchanges the classes of the
modules that are there (as `fully_shard` of PyTorch does), so that nothing is drawn and nothing is copied.

    nn.Linear            FastLinear           model/linear.py
    nn.Dropout           DropoutFromBits      model/dropout.py
    MultiHeadAttention   FusedAttention       model/fused_attention.py
    Transformer          FastTransformer      steps of decoding: model/fast_decoding.py; loss: training/chunked_loss.py
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from torch import nn

from model.attention import MultiHeadAttention
from model.config import ModelConfig
from model.dropout import DropoutFromBits
from model.fused_attention import FusedAttention
from model.linear import FastLinear
from model.transformer import Transformer


class FastTransformer(Transformer):
    """The class by which decoding and loss recognise a fast network; it keeps the weights packed for decoding."""

    packed_weights: dict[bool, Any]  # see model/packed_weights.py

    def train(self, mode: bool = True) -> Self:
        """As in nn.Module; drops the packed weights, for a fused optimiser changes weights without a trace."""
        if mode:
            self.packed_weights.clear()
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """The state to copy, without packed weights, which cannot be copied and are quick to make."""
        return {**self.__dict__, "packed_weights": {}}


FAST_CLASS = {
    nn.Linear: FastLinear, nn.Dropout: DropoutFromBits, MultiHeadAttention: FusedAttention, Transformer: FastTransformer
}  # fmt: skip
PLAIN_CLASS = {fast: plain for plain, fast in FAST_CLASS.items()}


def make_network(config: ModelConfig, pad_id: int) -> Transformer:
    """Make the network that a configuration describes: plain, or with `speed = fast` the fast one."""
    model = Transformer(config, pad_id)
    return make_fast(model) if config.speed == "fast" else model


def make_fast(model: Transformer) -> Transformer:
    """Turn a plain network's modules into fast ones, in place; returns the same network."""
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.out_features == 1:
            continue  # a product with one vector, a gate's, has nothing to gain
        module.__class__ = FAST_CLASS.get(type(module), type(module))
    model.packed_weights = {}
    return model


@contextmanager
def plain_modules(model: Transformer) -> Iterator[None]:
    """Inside the `with` a network has its plain modules, whose steps hooks can see; after it those it had before."""
    was_fast = isinstance(model, FastTransformer)
    if was_fast:
        del model.packed_weights
    for module in model.modules():
        module.__class__ = PLAIN_CLASS.get(type(module), type(module))
    try:
        yield
    finally:
        if was_fast:
            make_fast(model)
