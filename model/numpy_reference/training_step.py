"""One whole training step, forward, loss, backward, clipping and AdamW, which `train.py` does with autograd."""

from __future__ import annotations

from model.config import ModelConfig
from model.numpy_reference.heads import copy_head, copy_head_backward, copy_loss
from model.numpy_reference.linear import Saved, Weights, part, under
from model.numpy_reference.losses import cross_entropy
from model.numpy_reference.optimizer import AdamW, clip
from model.numpy_reference.transformer import Batch, backward, forward, logits_backward


def loss_and_gradients(
    batch: Batch, weights: Weights, config: ModelConfig, pad_id: int, label_smoothing: float = 0.0
) -> tuple[float, Weights, Saved, Saved]:
    """Equation (6) in nats per real token, the gradient of every weight, all values on the way and their gradients.

    With a copy head the loss is that of the mixture.
    """
    logits, saved = forward(batch, weights, config)
    states, memory = saved["decoder"]["states"], saved["encoder"]["memory"]
    d_states, d_memory, of_head = 0.0, 0.0, {}
    if config.copy_head:
        head = part(weights, "copy_head")
        pointer = copy_head(states, memory, batch.source_mask, head)
        loss, d_logits, d_gate, d_pointed = copy_loss(logits, pointer, batch, label_smoothing)
        d_states, d_memory, of_head = copy_head_backward(d_gate, d_pointed, pointer, head)
        saved["copy_head"] = pointer
    else:
        loss, d_logits = cross_entropy(logits, batch.target, batch.target_mask, label_smoothing)

    d_states_of_logits, d_output = logits_backward(d_logits, states, weights, config)
    d_states = d_states + d_states_of_logits
    gradients, d_saved = backward(d_states, d_memory, d_output, saved, weights, config, pad_id)
    return loss, under("copy_head", of_head) | gradients, saved | {"logits": logits}, d_saved | {"logits": d_logits}


def training_step(
    batch: Batch, weights: Weights, optimizer: AdamW, config: ModelConfig, pad_id: int, learning_rate: float,
    label_smoothing: float = 0.0, clip_norm: float = 1.0,
) -> tuple[float, float]:
    """Take a step, in place; returns the loss before the step and the gradient's norm before clipping."""
    loss, gradients, _, _ = loss_and_gradients(batch, weights, config, pad_id, label_smoothing)
    norm = clip(gradients, clip_norm)
    optimizer.update(weights, gradients, learning_rate)
    return loss, norm
