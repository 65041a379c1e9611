"""The loss of one batch, by its kind: equation (6) for pairs, and what the pretraining objectives ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from data.batches import Batch
from data.example import IGNORE
from model.heads import copied_log_probs
from model.transformer import Transformer
from model.two_streams import two_stream_states
from training.chunked_loss import chunked_loss
from training.losses import binary_loss, copy_loss, mlm_loss, sequence_loss


def batch_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """Sum of the loss over what the batch predicts, and how much that is. Smoothing is for targets only."""
    if batch.kind in ("mlm", "tag", "match"):
        return encoder_loss(model, batch)
    if batch.kind == "permutation":
        return permutation_loss(model, batch, label_smoothing)
    # Of autoencoding the encoder is to learn nothing, or it would learn to hand code on (Norouzi et al. 2021).
    with torch.set_grad_enabled(torch.is_grad_enabled() and batch.kind != "autoencoding"):
        memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    if model.config.fast and not model.config.adds_copy_scores:
        return fast_pair_loss(model, batch, memory, label_smoothing)
    log_probs, logits = model.target_log_probs(
        batch.source, batch.source_mask, batch.decoder_input, batch.target, batch.target_mask, memory
    )  # (N), (N, V)
    if model.copy_head is not None and not model.config.adds_copy_scores:
        return copy_loss(log_probs, logits, label_smoothing)
    return sequence_loss(logits, batch.target[batch.target_mask], label_smoothing)


def encoder_loss(model: Transformer, batch: Batch) -> tuple[Tensor, int]:
    """What the encoder's heads say of the positions that have a label."""
    if batch.kind == "match":
        return binary_loss(match_logits(model, batch), batch.labels[:, 0])
    asked = batch.labels != IGNORE  # (B, S)
    states, labels = model.encode(batch.source, batch.source_mask)[asked], batch.labels[asked]  # (N, d_model), (N)
    if batch.kind == "mlm":
        return mlm_loss(model.mlm_head(states, model.embedding.weight), labels)
    return binary_loss(model.tag_head(states), labels)


def match_logits(model: Transformer, batch: Batch) -> Tensor:
    """What the match head says of each source that holds two texts: (B)."""
    states = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    return model.match_head(states, model.embedding(batch.source), batch.source, batch.source_mask)


def permutation_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """-log P of the target's tokens that have a rank, each given those of lower ranks. There is nothing to copy."""
    memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    states = two_stream_states(model, batch.decoder_input, batch.labels, memory, batch.source_mask)  # (B, T, d_model)
    predicted = batch.labels > 0  # (B, T)
    return sequence_loss(model.logits(states[predicted]), batch.target[predicted], label_smoothing)


def fast_pair_loss(model: Transformer, batch: Batch, memory: Tensor, label_smoothing: float) -> tuple[Tensor, int]:
    """The loss of pairs through `chunked_loss`: the logits of the batch are never held all at once."""
    states = model.decode(batch.decoder_input, memory, batch.source_mask)  # (B, T, d_model)
    real, mixture = batch.target_mask, ()
    if model.copy_head is not None:
        pointer = model.copy_head(states, memory, batch.source_mask)
        copied = copied_log_probs(pointer, batch.source, batch.target)  # (B, T)
        mixture = pointer.log_generate[real], (pointer.log_copy + copied)[real]  # (N) both
    weights = (model.output.weight,)
    return chunked_loss(model.logits, weights, states[real], batch.target[real], label_smoothing, *mixture)


def n_predicted(batch: Batch) -> int:
    """How much enters the batch's loss, known before the forward pass."""
    if batch.kind == "permutation":
        return int((batch.labels > 0).sum())
    return int(batch.target_mask.sum() if batch.labels is None else (batch.labels != IGNORE).sum())
