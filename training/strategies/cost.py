"""The training FLOPs of a step under a strategy, by which strategies are compared at equal cost."""

from __future__ import annotations

from data.batches import Batch
from model.config import ModelConfig
from training.flops import decoder_layer_flops, encoder_flops
from training.run.budget import batch_flops, real_lengths
from training.strategies.adversarial import n_passes
from training.strategies.config import StrategiesConfig
from training.strategies.layer_wise import lowest_trained


def step_flops(config: ModelConfig, batch: Batch, strategies: StrategiesConfig, step: int) -> int:
    """FLOPs of all passes over a batch, the auxiliary task's included, less those that frozen layers save.

    A teacher counts its own (`training/strategies/distillation.py`), as it is asked about a pair once. What a frozen
    matrix spares outside of the layers, as a tied output's, is not taken off.
    """
    lowest = lowest_trained(strategies.layers, step)
    parts = [batch] if batch.auxiliary is None else [batch, batch.auxiliary]
    one_pass = sum(batch_flops(config, part) for part in parts)
    if lowest is not None:
        # Of a backward pass's two products an adversary needs one, the gradient of what goes in.
        spared = 1 if strategies.adversary.kind != "none" else 2
        one_pass -= spared * sum(frozen_flops(config, part, lowest) for part in parts)
    return n_passes(strategies.adversary) * one_pass


def frozen_flops(config: ModelConfig, batch: Batch, lowest: int) -> int:
    """FLOPs of a batch's forward pass through the layers below the depth `lowest`."""
    n_encoder, n_decoder = config.n_encoder_layers, config.n_decoder_layers
    n_frozen_encoder = min(n_encoder, max(0, n_encoder + n_decoder - lowest))
    sources, targets = real_lengths(batch)
    encoder = n_frozen_encoder * sum(encoder_flops(config, length) for length in sources) // n_encoder
    pairs = [(source, target) for source, target in zip(sources, targets, strict=True) if target]  # else no decoder
    decoder = max(0, n_decoder - lowest) * sum(decoder_layer_flops(config, *pair) for pair in pairs)
    return encoder + decoder
