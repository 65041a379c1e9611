"""Cross-attention of a few examples, for the report: which source pieces each output piece looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from data.config import DataConfig
from data.example import Example
from data.slots import hide
from data.tokenizers.tokenizer import Tokenizer, source_ids
from model.fast import plain_modules
from model.heads import CopyHead
from model.transformer import Transformer


@torch.inference_mode()
def attention_maps(
    model: Transformer, tokenizer: Tokenizer, examples: list[Example], predictions: list[str], data: DataConfig
) -> list[dict[str, Any]]:
    """A map for each example: its pieces, the last layer's cross-attention as the mean over heads, the copied share."""
    pairs = [replace(example, code=code) for example, code in zip(examples, predictions, strict=True)]
    seen = [hide(pair, data) for pair in pairs]
    return [
        attention_map(model, tokenizer, source_ids(pair.nl or "", tokenizer, data.max_source_length), pair.code)
        for pair in seen
    ]


def attention_map(model: Transformer, tokenizer: Tokenizer, ids: list[int], prediction: str) -> dict[str, Any]:
    """Make one map: a forward hook sees the attention's weights while the prediction is read again."""
    target = tokenizer.frame(tokenizer.encode_target(prediction), target=True)[: model.config.max_length]
    device = next(model.parameters()).device
    source = torch.tensor([ids], device=device)  # (1, S)
    mask = torch.ones_like(source, dtype=torch.bool)
    decoder_input = torch.tensor([[tokenizer.decoder_start_id, *target[:-1]]], device=device)  # (1, T)

    attention = model.decoder[-1].cross_attention
    seen: list[Tensor] = []
    hook = attention.register_forward_hook(lambda module, inputs, output: seen.append(output[1]))
    with hook, plain_modules(model):
        memory = model.encode(source, mask)
        states = model.decode(decoder_input, memory, mask)

    copied = None
    if isinstance(model.copy_head, CopyHead):
        copied = model.copy_head(states, memory, mask).log_copy.exp()[0].tolist()  # (T)

    return {
        "source": tokenizer.pieces(ids),
        "target": tokenizer.pieces(target),
        "weights": seen[0].mean(dim=1)[0].tolist(),  # (T, S)
        "copy": copied,
    }
