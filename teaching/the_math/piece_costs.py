"""What each piece of the network costs, by formula: FLOPs of its matrix products, bytes of weights and activations.

    python -m teaching.the_math.piece_costs              one encoder layer and the output
    python -m teaching.the_math.piece_costs --write      put the table into docs/the_math.md

n = B T tokens of one side. A multiplication with its addition is two FLOPs. Kept for the backward pass is what the
hand-derived backward reads (`model/numpy_reference/`), each array once, at the piece that makes it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.config import ModelConfig, preset
from system.errors import UserError
from system.options import parse, run_and_report
from teaching.the_math.number_blocks import Matrix, show

FLOAT = 4  # bytes


class Cost(NamedTuple):
    """The cost of one piece."""

    flops: int  # of the forward pass; the backward pass has two products for each
    weights: int  # numbers
    kept: int  # numbers kept for the backward pass


def pieces(config: ModelConfig, batch: int, length: int) -> dict[str, Cost]:
    """The costs of an encoder layer's pieces and of the output, for `length` tokens a side; no gate, no biases."""
    d, f, v, h = config.d_model, config.d_ff, config.vocab_size, config.n_heads
    n = batch * length
    scores = n * length  # one number for each pair of tokens, in each head
    return {
        "embedding + positions": Cost(0, v * d, 0),
        "x W^Q, x W^K, x W^V": Cost(2 * 3 * n * d * d, 3 * d * d, n * d),
        "Q K^T": Cost(2 * scores * d, 0, 2 * n * d),
        "softmax": Cost(0, 0, h * scores),
        "A V": Cost(2 * scores * d, 0, n * d),
        "heads W^O": Cost(2 * n * d * d, d * d, n * d),
        "two residual sums": Cost(0, 0, 0),
        "two LayerNorms": Cost(0, 2 * 2 * d, 2 * (n * d + n)),
        "feed-forward": Cost(2 * 2 * n * d * f, 2 * d * f, n * d + 2 * n * f),
        "logits": Cost(2 * n * d * v, 0 if config.tie_embeddings else v * d, n * d),
        "softmax and loss": Cost(0, 0, n * v),
    }


@dataclass(frozen=True)
class Settings:
    """The network's sizes and the batch's shape."""

    d_model: int = 256  # width
    n_heads: int = 4  # heads
    d_ff: int = 1024  # inner width of the feed-forward layer
    vocab_size: int = 8000  # V
    batch: int = 32  # pairs
    length: int = 64  # tokens of each side
    write: bool = False  # put the table into docs/the_math.md, with the sizes above


def table(settings: Settings) -> Matrix:
    """The table of GFLOP forward and backward, MiB of weights and of kept values, in float32."""
    sizes = {name: getattr(settings, name) for name in ("d_model", "n_heads", "d_ff", "vocab_size")}
    found = pieces(preset("vaswani2017", **sizes), settings.batch, settings.length)
    rows = [
        [cost.flops / 1e9, 2 * cost.flops / 1e9, cost.weights * FLOAT / 2**20, cost.kept * FLOAT / 2**20]
        for cost in found.values()
    ]
    return Matrix(np.array(rows), tuple(found), "GFLOP forward, GFLOP backward, MiB of weights, MiB kept")


def main(arguments: list[str]) -> int:
    """Print or write the table."""
    settings = parse(
        Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m teaching.the_math.piece_costs"
    )
    try:
        show([], {"costs": table(settings)}, settings.write)
    except ValueError as error:  # of ModelConfig: sizes that do not go together
        raise UserError(str(error)) from None
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
