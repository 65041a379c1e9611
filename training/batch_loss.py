"""The loss of one batch, by its kind: equation (6) for pairs, masked language modelling for the encoder."""

from __future__ import annotations

from torch import Tensor

from data.batches import Batch
from data.example import IGNORE
from model.heads import copied_log_probs
from model.transformer import Transformer
from training.chunked_loss import chunked_loss
from training.losses import copy_loss, mlm_loss, sequence_loss


def batch_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """Sum of the loss over the batch's predicted tokens, and how many they are. Smoothing is for targets only."""
    if batch.kind == "mlm":
        masked = batch.labels != IGNORE  # (B, S)
        states = model.encode(batch.source, batch.source_mask)[masked]  # (N, d_model)
        return mlm_loss(model.mlm_head(states, model.embedding.weight), batch.labels[masked])
    if model.config.fast:
        return fast_pair_loss(model, batch, label_smoothing)
    log_probs, logits = model.target_log_probs(
        batch.source, batch.source_mask, batch.decoder_input, batch.target, batch.target_mask
    )  # (N), (N, V)
    if model.copy_head is not None:
        return copy_loss(log_probs, logits, label_smoothing)
    return sequence_loss(logits, batch.target[batch.target_mask], label_smoothing)


def fast_pair_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """The loss of pairs through `chunked_loss`: the logits of the batch are never held all at once."""
    memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    states = model.decode(batch.decoder_input, memory, batch.source_mask)  # (B, T, d_model)
    real, mixture = batch.target_mask, ()
    if model.copy_head is not None:
        pointer = model.copy_head(states, memory, batch.source_mask)
        copied = copied_log_probs(pointer, batch.source, batch.target)  # (B, T)
        mixture = pointer.log_generate[real], (pointer.log_copy + copied)[real]  # (N) both
    weights = (model.output.weight,)
    return chunked_loss(model.logits, weights, states[real], batch.target[real], label_smoothing, *mixture)


def n_predicted(batch: Batch) -> int:
    """Tokens that enter the batch's loss, known before the forward pass."""
    return int((batch.labels != IGNORE).sum() if batch.kind == "mlm" else batch.target_mask.sum())
