"""The loss of one batch, by its kind: equation (6) for pairs, masked language modelling for the encoder."""

from __future__ import annotations

from torch import Tensor

from data.batches import Batch
from data.example import IGNORE
from model.transformer import Transformer
from training.losses import copy_loss, mlm_loss, sequence_loss


def batch_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """Sum of the loss over the batch's predicted tokens, and how many they are. Smoothing is for targets only."""
    if batch.kind == "mlm":
        masked = batch.labels != IGNORE  # (B, S)
        states = model.encode(batch.source, batch.source_mask)[masked]  # (N, d_model)
        return mlm_loss(model.mlm_head(states, model.embedding.weight), batch.labels[masked])
    log_probs, logits = model.target_log_probs(
        batch.source, batch.source_mask, batch.decoder_input, batch.target, batch.target_mask
    )  # (N), (N, V)
    if model.copy_head is not None:
        return copy_loss(log_probs, logits, label_smoothing)
    return sequence_loss(logits, batch.target[batch.target_mask], label_smoothing)


def n_predicted(batch: Batch) -> int:
    """Tokens that enter the batch's loss, known before the forward pass."""
    return int((batch.labels != IGNORE).sum() if batch.kind == "mlm" else batch.target_mask.sum())
