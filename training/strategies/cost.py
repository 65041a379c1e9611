"""What a step of a strategy costs in training FLOPs, so that strategies are compared at equal cost."""

from __future__ import annotations

from data.batches import Batch
from model.config import ModelConfig
from training.budget import batch_flops, real_lengths
from training.flops import decoder_layer_flops, encoder_flops
from training.strategies.adversarial import n_passes
from training.strategies.config import StrategiesConfig
from training.strategies.layer_wise import lowest_trained


def step_flops(config: ModelConfig, batch: Batch, strategies: StrategiesConfig, step: int) -> int:
    """FLOPs of all passes over a batch: the task beside it too, and less where layers are frozen.

    A teacher counts its own (`training/strategies/distillation.py`), as it is asked about a pair once.
    """
    one_pass = batch_flops(config, batch)
    if batch.beside is not None:
        one_pass += batch_flops(config, batch.beside)
    lowest = lowest_trained(strategies, step)
    if lowest is not None:
        one_pass -= sum(frozen_flops(config, *pair, lowest) for pair in zip(*real_lengths(batch), strict=True))
    return n_passes(strategies) * one_pass


def frozen_flops(config: ModelConfig, source_length: int, target_length: int, lowest: int) -> int:
    """FLOPs that the backward pass of a pair does not need where no layer below the depth `lowest` learns."""
    n_encoder, n_decoder = config.n_encoder_layers, config.n_decoder_layers
    decoder = max(0, n_decoder - lowest) * decoder_layer_flops(config, source_length, target_length)
    encoder = min(n_encoder, max(0, n_encoder + n_decoder - lowest)) * encoder_flops(config, source_length) // n_encoder
    return 2 * (decoder + encoder)
