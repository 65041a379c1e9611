"""The network and the batch on which speed is compared; every implementation gets the same."""

from __future__ import annotations

from dataclasses import dataclass

from model.config import ModelConfig, preset
from training.flops import forward_flops, training_flops


@dataclass(frozen=True)
class Shape:
    """Sizes. The batch is random ids without padding."""

    d_model: int = 256  # width
    n_heads: int = 4  # attention heads
    n_layers: int = 4  # layers of the encoder, and as many of the decoder
    d_ff: int = 1024  # inner width of the feed-forward layers
    vocab_size: int = 8000  # V
    batch: int = 32  # pairs in a batch
    source_length: int = 64  # S, tokens of every source
    target_length: int = 64  # T, tokens of every target
    dropout: float = 0.1  # of sublayer outputs, embeddings and attention weights
    drop_attention: bool = True  # whether attention weights are dropped at all
    max_length: int = 1024  # rows of the learned positions

    def __str__(self) -> str:
        return (
            f"d {self.d_model}, {self.n_heads} heads, {self.n_layers}+{self.n_layers} layers, ff {self.d_ff}, "
            f"V {self.vocab_size}, batch {self.batch} x ({self.source_length} + {self.target_length}), "
            f"dropout {self.dropout:g}"
        )

    @property
    def tokens(self) -> int:
        """Source and target tokens of a step."""
        return self.batch * (self.source_length + self.target_length)


def our_config(shape: Shape) -> ModelConfig:
    """This project's preset `bart` in that shape."""
    return preset(
        "bart", d_model=shape.d_model, n_heads=shape.n_heads, d_ff=shape.d_ff, vocab_size=shape.vocab_size,
        n_encoder_layers=shape.n_layers, n_decoder_layers=shape.n_layers, dropout=shape.dropout,
        dropout_attention=shape.dropout if shape.drop_attention else 0.0, max_length=shape.max_length,
    )


def step_flops(shape: Shape) -> int:
    """Training FLOPs of one step by the formula of training/flops.py, the same for every implementation."""
    return shape.batch * training_flops(forward_flops(our_config(shape), shape.source_length, shape.target_length))
