"""NumPy alone learns to copy: the reference's forward, backward and AdamW on random sequences, from random weights.

    python -m teaching.the_math.numpy_copy                 at most 2,000 steps; stops when all held-out copies are right
    python -m teaching.the_math.numpy_copy --preset bart   another preset

The copy task proves a loop (Rush 2018, The Annotated Transformer): the target is the source, of 4 to 10 tokens, so the
decoder must find by cross-attention where it is. Greedy decoding of 200 new sequences decides. Presets whose positions
are relative (t5, t5_v1_1, modern) learn it more slowly: cross-attention has no positions, so a token that occurs twice
must be told from its double by what stands around it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tqdm import tqdm

from model.config import ModelConfig, preset
from model.numpy_reference.decoding import before_end, greedy
from model.numpy_reference.initialisation import initialise
from model.numpy_reference.linear import Weights
from model.numpy_reference.optimizer import AdamW
from model.numpy_reference.training_step import training_step
from model.numpy_reference.transformer import Batch
from system.bounds import check_bounds
from system.errors import UserError
from system.options import parse, run_and_report

PAD, END, START, FIRST_TOKEN = 0, 1, 2, 3  # ids; the sequences are made of FIRST_TOKEN .. V - 1
BATCH, HELD_OUT, CHECK_EVERY = 64, 200, 100


@dataclass(frozen=True)
class Settings:
    """The network's kind and the budget."""

    preset: Literal["vaswani2017", "bart", "t5", "t5_v1_1", "modern"] = "vaswani2017"  # see model/config.py
    steps: int = 2000  # at most
    learning_rate: float = 3e-3  # after a warm-up of 100 steps
    seed: int = 1

    def __post_init__(self) -> None:
        check_bounds(self)


def small(name: str) -> ModelConfig:
    """A preset with 1+1 layers of width 32, without dropout, which the reference does not have."""
    return preset(
        name, vocab_size=13, d_model=32, n_heads=4, d_ff=64, n_encoder_layers=1, n_decoder_layers=1, max_length=12
    )


def sequences(n: int, config: ModelConfig, draw: np.random.Generator) -> Batch:
    """`n` random sources of 4 to 10 tokens, and the same tokens as targets, both ended and padded. Two of (n, 11)."""
    lengths = draw.integers(4, 11, n)[:, None]
    places = np.arange(11)[None, :]
    ids = draw.integers(FIRST_TOKEN, config.vocab_size, (n, 11))
    ids = np.where(places < lengths, ids, np.where(places == lengths, END, PAD))
    mask = places <= lengths
    return Batch(ids, mask, np.concatenate((np.full((n, 1), START), ids[:, :-1]), axis=1), ids, mask)


def share_copied(weights: Weights, batch: Batch, config: ModelConfig) -> float:
    """The share of the sequences that greedy decoding copies without a mistake."""
    outputs = greedy(batch.source, batch.source_mask, weights, config, START, END, 12)
    right = [ids == before_end(source, END) for ids, source in zip(outputs, batch.source.tolist())]
    return sum(right) / len(right)


def learn(settings: Settings) -> tuple[int, float, float]:
    """Train until all is copied or the steps are spent: steps taken, share copied, seconds."""
    config, draw = small(settings.preset), np.random.default_rng(settings.seed)
    weights = {name: weight.astype(np.float32) for name, weight in initialise(config, PAD, draw).items()}
    held_out, optimizer = sequences(HELD_OUT, config, draw), AdamW(beta2=0.98)
    begin, share, loss = time.perf_counter(), 0.0, 0.0
    with tqdm(range(1, settings.steps + 1), desc="numpy", unit=" steps", disable=None) as bar:
        for step in bar:
            rate = settings.learning_rate * min(1.0, step / 100)
            loss, _ = training_step(sequences(BATCH, config, draw), weights, optimizer, config, PAD, rate)
            if step % CHECK_EVERY == 0 or step == settings.steps:
                share = share_copied(weights, held_out, config)
                bar.set_postfix(loss=f"{loss:.3f}", copied=f"{share:.1%}")
                if share == 1.0:
                    break
    return step, share, time.perf_counter() - begin


def main(arguments: list[str]) -> int:
    """Learn and say how it went; status 1 where something was not copied."""
    settings = parse(Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m teaching.the_math.numpy_copy")
    if settings.steps < 1:
        raise UserError(f"--steps {settings.steps} must be at least 1")
    steps, share, seconds = learn(settings)
    print(f"{settings.preset}: {share:.1%} of {HELD_OUT} new sequences copied after {steps:,} steps, {seconds:.0f} s")
    return int(share < 1)


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
