"""The fast network: the plain one of model/transformer.py whose modules have taken faster classes.

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
    """The network as decoding and the loss know it to be fast; it keeps what fast decoding packs of its weights."""

    packed_weights: dict[bool, Any]  # see model/packed_weights.py

    def train(self, mode: bool = True) -> Self:
        """As in nn.Module; forgets the packed weights, for a fused optimiser leaves no mark on what it changes."""
        if mode:
            self.packed_weights.clear()
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy of the model is made of: packed weights cannot be copied, and are soon made."""
        return {**self.__dict__, "packed_weights": {}}


FAST_CLASS = {
    nn.Linear: FastLinear, nn.Dropout: DropoutFromBits, MultiHeadAttention: FusedAttention, Transformer: FastTransformer
}  # fmt: skip
PLAIN_CLASS = {fast: plain for plain, fast in FAST_CLASS.items()}


def make_network(config: ModelConfig, pad_id: int) -> Transformer:
    """The network that a configuration asks for: plain, or with `speed = fast` made fast."""
    model = Transformer(config, pad_id)
    return make_fast(model) if config.speed == "fast" else model


def make_fast(model: Transformer) -> Transformer:
    """Let a plain network run by its fast modules; returns the same network."""
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.out_features == 1:
            continue  # a product with one vector, a gate's, has nothing to gain
        module.__class__ = FAST_CLASS.get(type(module), type(module))
    model.packed_weights = {}
    return model


@contextmanager
def plain_modules(model: Transformer) -> Iterator[None]:
    """Inside the `with` a network runs by its plain modules, each step of which can be seen; after it as before."""
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
