"""What breaks when a piece of the Transformer is left out, shown without training, in the tables of docs/the_math.md.

    python -m teaching.the_math.what_breaks                every table
    python -m teaching.the_math.what_breaks "no scale"     one table
    python -m teaching.the_math.what_breaks --write        put them into docs/the_math.md

    no scale        equation (4) without 1/sqrt(d_k): scores, entropy and gradient against d_k
    no mask         the worked example: a later token changes an earlier output
    no positions    the worked example: two word orders, one output
    no residual     the gradient's norm in each layer of a deep random encoder, with and without each piece
    no warm-up      what one step of Adam at the full rate does to a post-norm and to a pre-norm network
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from model.config import preset
from model.fast import make_network
from model.numpy_reference import transformer as reference
from model.numpy_reference.softmax import softmax, softmax_backward
from model.transformer import Transformer
from system.options import parse, run_and_report
from teaching.the_math.number_blocks import Matrix, check_names, show
from teaching.worked_example.example import DECODER_INPUT, batch, config, weights

N_LAYERS, D_MODEL = 12, 64
N_KEYS, N_QUERIES = 16, 2000  # keys that a query chooses from, random queries


def no_scale() -> Matrix:
    """Scores of random queries and keys with independent entries of variance 1, before and after the division."""
    draw, rows, widths = np.random.default_rng(1), [], (4, 16, 64, 256, 1024)
    for d_k in widths:
        queries, keys = draw.normal(size=(N_QUERIES, 1, d_k)), draw.normal(size=(N_QUERIES, N_KEYS, d_k))
        scores = (queries @ keys.swapaxes(1, 2))[:, 0]  # (draws, keys)
        d_weights = draw.normal(size=scores.shape)
        row = []
        for divided in (scores, scores / np.sqrt(d_k)):
            probs = softmax(divided)
            entropy = -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1).mean()
            slope = np.sqrt((softmax_backward(d_weights, probs) ** 2).sum(axis=-1)).mean()
            row += [divided.std(), entropy, slope]
        rows.append(row)
    columns = "std(S), entropy, |dL/dS|, and the same three with 1/sqrt(d_k)"
    return Matrix(np.array(rows), tuple(f"d_k = {d_k}" for d_k in widths), columns)


def no_mask() -> Matrix:
    """Row 1 of H_dec of the worked example, which predicts `print(x)`, when the second input becomes `show`."""
    given, pair = weights(), batch()
    changed = pair._replace(decoder_input=np.array([[DECODER_INPUT[0], 3]]))
    rows, all_true = [], lambda length: np.ones((length, length), dtype=bool)
    for mask in (reference.causal_mask, all_true):
        kept, reference.causal_mask = reference.causal_mask, mask
        try:
            rows += [reference.forward(ids, given, config())[1]["decoder"]["states"][0, 0] for ids in (pair, changed)]
        finally:
            reference.causal_mask = kept
    labels = ("masked, then print(x)", "masked, then show", "no mask, then print(x)", "no mask, then show")
    return Matrix(np.array(rows), labels, "H_dec at <start>")


def no_positions() -> Matrix:
    """P(y_1 | X) of the worked example for two orders of the source, with sinusoids and without positions."""
    given, pair = weights(), batch()
    turned = pair._replace(source=pair.source[:, [1, 0, 2]])
    rows = []
    for positions in ("sinusoidal", "none"):
        network = preset("vaswani2017", **{**vars(config()), "positions": positions})
        rows += [softmax(reference.forward(ids, given, network)[0])[0, 0] for ids in (pair, turned)]
    labels = ("sinusoids, show x .", "sinusoids, x show .", "no positions, show x .", "no positions, x show .")
    return Matrix(np.array(rows), labels, "P of <pad> <end> <start> show x . print(x)")


class WithoutResidual(nn.Module):
    """A sublayer whose input is not added to its output."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Norm(Sublayer(x))."""
        return self.norm(sublayer(x))


def deep_encoder(norm_position: str, n_layers: int, residual: bool = True, norm: bool = True) -> Transformer:
    """A random encoder of width 64 with or without its residual connections and norms."""
    torch.manual_seed(1)
    sizes = {"vocab_size": 100, "d_model": D_MODEL, "n_heads": 4, "d_ff": 4 * D_MODEL, "n_decoder_layers": 1}
    model = make_network(
        preset("vaswani2017", **sizes, n_encoder_layers=n_layers, norm_position=norm_position, dropout=0.0), pad_id=0
    )
    for layer in model.encoder:
        for name in ("self_attention_residual", "feed_forward_residual"):
            part = getattr(layer, name)
            part.norm = part.norm if norm else nn.Identity()
            setattr(layer, name, part if residual else WithoutResidual(part.norm))
    return model


def random_log_probs(model: Transformer) -> tuple[Tensor, Tensor, Tensor]:
    """The log P over the vocabulary at every source token, the random target tokens, and the memory."""
    generator = torch.Generator().manual_seed(2)
    source, target = torch.randint(1, 100, (2, 8, 32), generator=generator)
    memory = model.encode(source, torch.ones_like(source, dtype=torch.bool))
    return model.logits(memory).log_softmax(dim=-1), target, memory


def loss_of(log_probs: Tensor, target: Tensor) -> Tensor:
    """The loss of equation (6) as the mean over tokens."""
    return -log_probs.gather(-1, target[..., None]).mean()


def gradient_norm(layer: nn.Module) -> float:
    """The norm of the gradient of all weights of a layer."""
    return float(torch.stack([weight.grad.norm() for weight in layer.parameters()]).norm())


def no_residual() -> Matrix:
    """log10 of each layer's gradient norm in a random encoder of 12 layers."""
    columns = []
    for variant in (("post",), ("pre",), ("post", False), ("post", True, False), ("post", False, False)):
        model = deep_encoder(variant[0], N_LAYERS, *variant[1:])
        log_probs, target, _ = random_log_probs(model)
        loss_of(log_probs, target).backward()
        columns.append([np.log10(gradient_norm(layer)) for layer in model.encoder])
    labels = tuple(f"layer {i + 1}" for i in range(N_LAYERS))
    return Matrix(np.array(columns).T, labels, "log10 |gradient| of post-norm, pre-norm, no residual, no norm, neither")


def likeness(memory: Tensor) -> float:
    """Mean cosine between the vectors of different tokens of one source: 1 when all have become the same."""
    unit = (memory / memory.norm(dim=-1, keepdim=True)).detach()  # (B, S, d_model)
    cosines = unit @ unit.transpose(1, 2)  # (B, S, S)
    n_tokens = memory.shape[1]
    return float((cosines.sum(dim=(1, 2)) - n_tokens).mean() / (n_tokens * (n_tokens - 1)))


def no_warmup() -> Matrix:
    """One step of Adam at rate 1e-3 from random weights, no warm-up, for encoders of several depths."""
    rows, labels = [], []
    for n_layers in (3, 6, 12, 24):
        for position in ("post", "pre"):
            model = deep_encoder(position, n_layers)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
            before, target, memory = random_log_probs(model)
            loss_of(before, target).backward()
            row = [gradient_norm(model.encoder[-1]), likeness(memory)]
            optimizer.step()
            with torch.no_grad():
                after, _, moved = random_log_probs(model)
            row += [likeness(moved), float((after - before.detach()).square().mean().sqrt())]
            rows.append(row)
            labels.append(f"{n_layers} layers, {position}-norm")
    columns = "|gradient| of the last layer, likeness of tokens before and after, change of log P"
    return Matrix(np.array(rows), tuple(labels), columns)


TABLES = {"no scale": no_scale, "no mask": no_mask, "no positions": no_positions, "no residual": no_residual,
          "no warm-up": no_warmup}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The options: which tables to show, and whether to write them."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()  # tables, such as "no mask"; none: all of them
    write: bool = False  # put the tables into docs/the_math.md


def main(arguments: list[str]) -> int:
    """Print or write the tables."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m teaching.the_math.what_breaks")
    torch.set_num_threads(1)  # the same sums in the same order on every machine
    check_names(settings.names, TABLES)
    show(settings.names, {name: TABLES[name]() for name in settings.names or TABLES}, settings.write)
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
