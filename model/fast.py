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
from torch.nn.modules import module as torch_modules

from model.attention import MultiHeadAttention, is_watched
from model.config import ModelConfig
from model.dropout import DropoutFromBits
from model.fused_attention import FusedAttention
from model.linear import FastLinear
from model.transformer import Transformer


class FastTransformer(Transformer):
    """The class by which decoding and loss recognise a fast network; it keeps the weights packed for decoding.

    Every decoding looks whether the packed weights are still the network's (model/packed_weights.py says what it sees
    and what it does not), and whether its modules are still those that `make_fast` made. With a forward hook, a
    parametrization, a module of another class, an attribute more than it was made with (`module.forward = ...`) or
    dropout that is on, wherever a fast step would pass it over, it steps through the modules instead. Unseen stays what
    is patched into a class, and what is changed beside the weights: after an attention's `scale` or a norm's `epsilon`
    call `repack()`; another `pre`, `adds` or `n_heads` needs `speed = readable`.
    """

    packed_weights: dict[bool, Any]  # see model/packed_weights.py
    made_of: list[tuple[type, int]]  # see `outline`

    def repack(self) -> None:
        """Let go of the packed weights: the next decoding packs the weights as they are then.

        Call it after a change of weights that nothing shows (model/packed_weights.py), or to be sure of it.
        """
        self.packed_weights.clear()

    def train(self, mode: bool = True) -> Self:
        """As in nn.Module; drops the packed weights, which training makes old."""
        if mode:
            self.repack()
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
    model.packed_weights, model.made_of = {}, []
    model.made_of = outline(model, passed_over(model))
    return model


# What a fast step of decoding computes without calling it as a module.
PASSED_OVER = (
    "decoder", "decoder_norm", "output", "embedding", "embedding_dropout", "output_dropout", "decoder_positions", "see"
)


def passed_over(model: Transformer) -> list[nn.Module]:
    """The modules that a fast step passes over, and those inside them. (`modules()` takes three times as long.)"""
    found = [getattr(model, name) for name in PASSED_OVER]
    for module in found:  # the list grows while it is read
        found += [inner for inner in module._modules.values() if inner is not None]
    return found


def outline(model: Transformer, modules: list[nn.Module]) -> list[tuple[type, int]]:
    """The class of a network and of these modules in it, and how many attributes each has.

    One more is a method that hides its class's, or a weight that is no parameter.
    """
    return [(type(module), len(vars(module))) for module in (model, *modules)]


def runs_as_made(model: FastTransformer) -> bool:
    """Whether a fast step computes what the modules would: no module is watched, replaced, patched or in training."""
    found = passed_over(model)
    return (
        model.made_of == outline(model, found)
        and not any(is_watched(module) or module.training for module in found)
        and not (torch_modules._global_forward_hooks or torch_modules._global_forward_pre_hooks)
    )


@contextmanager
def plain_modules(model: Transformer) -> Iterator[None]:
    """Inside the `with` a network has its plain modules, whose steps hooks can see; after it those it had before."""
    was_fast = isinstance(model, FastTransformer)
    if was_fast:
        model.repack()
        made_of = model.made_of
    for module in model.modules():
        module.__class__ = PLAIN_CLASS.get(type(module), type(module))
    try:
        yield
    finally:
        if was_fast:
            make_fast(model).made_of = made_of  # a module that was replaced by hand stays one
