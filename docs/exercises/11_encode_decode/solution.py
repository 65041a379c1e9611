"""Exercise 11, encoder and decoder: the reference."""

import numpy as np


def encode_decode(
    source: np.ndarray, source_mask: np.ndarray, target: np.ndarray, encoder: object, decoder: object
) -> tuple[np.ndarray, np.ndarray]:
    """The memory H_enc (B, S, d_model) and the states H_dec (B, T, d_model)."""
    source_may_attend = source_mask[:, None, :]  # (B, 1, S), for the encoder and for cross-attention
    length = target.shape[1]
    causal = np.tril(np.ones((length, length), dtype=bool))  # (T, T)
    x = source
    for layer in encoder.layers:
        x = layer(x, source_may_attend)
    memory = encoder.norm(x)
    y = target
    for layer in decoder.layers:
        y = layer(y, memory, causal, source_may_attend)
    return memory, decoder.norm(y)
