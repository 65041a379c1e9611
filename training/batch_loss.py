"""The loss of one batch, by its kind: equation (6) for pairs, and what the pretraining objectives ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from data.batches import Batch
from data.example import IGNORE, Item
from model.attention import is_watched
from model.fast import FastTransformer
from model.heads import ENCODER_HEADS, CopyHead
from model.transformer import Transformer
from model.two_streams import two_stream_states
from training.chunked_loss import fast_pair_loss
from training.losses import binary_loss, mlm_loss, sequence_loss, sequence_loss_written_out


def batch_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """Sum of the loss over what the batch predicts, and how much that is. Smoothing is for targets only."""
    if batch.kind in ENCODER_HEADS:
        return encoder_loss(model, batch)
    if batch.kind == "permutation":
        return permutation_loss(model, batch, label_smoothing)
    # Of autoencoding the encoder is to learn nothing, or it would learn to hand code on (Norouzi et al. 2021).
    with torch.set_grad_enabled(torch.is_grad_enabled() and batch.kind != "autoencoding"):
        memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    # The fast loss knows the output's matrix alone: not one that a hook makes anew, as torch's pruning does.
    takes_fast_loss = isinstance(model, FastTransformer) and not is_watched(model.output)
    loss_of_pairs = fast_pair_loss if takes_fast_loss else pair_loss
    return loss_of_pairs(model, batch, memory, label_smoothing)


def pair_loss(model: Transformer, batch: Batch, memory: Tensor, label_smoothing: float) -> tuple[Tensor, int]:
    """Equation (6) of log P, which comes about as in `Transformer.forward`; memory (B, S, d_model)."""
    states = model.decode(batch.decoder_input, memory, batch.source_mask)  # (B, T, d_model)
    logits = model.logits(states)  # (B, T, V)
    log_probs = model.log_probs(logits, states, memory, batch.source, batch.source_mask)  # (B, T, V)
    vocabulary = logits if isinstance(model.copy_head, CopyHead) else None
    return sequence_loss_written_out(log_probs, batch.target, batch.target_mask, label_smoothing, vocabulary)


def encoder_loss(model: Transformer, batch: Batch) -> tuple[Tensor, int]:
    """-log P of the labels under what the head of the batch's kind says: of a yes, or of several classes."""
    logits, labels = head_logits(model, batch), batch.labels[batch.labels != IGNORE]  # (N) or (N, classes), (N)
    return binary_loss(logits, labels) if logits.dim() == 1 else mlm_loss(logits, labels)


def head_logits(model: Transformer, batch: Batch) -> Tensor:
    """What the encoder's head says of the N positions that have a label: (N) or (N, V)."""
    states = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    head, labelled = getattr(model, f"{batch.kind}_head"), batch.labels != IGNORE  # (B, S)
    return head.of_labelled(states, labelled, batch.source, batch.source_mask, model.embedding)


def permutation_loss(model: Transformer, batch: Batch, label_smoothing: float) -> tuple[Tensor, int]:
    """-log P of the target's tokens that have a rank, each given those of lower ranks. There is nothing to copy."""
    memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    states = two_stream_states(model, batch.decoder_input, batch.labels, memory, batch.source_mask)  # (B, T, d_model)
    predicted = batch.labels > 0  # (B, T)
    return sequence_loss(model.logits(states[predicted]), batch.target[predicted], label_smoothing)


def n_predicted(batch: Batch) -> int:
    """How much enters the batch's loss, known before the forward pass."""
    if batch.kind == "permutation":
        return int((batch.labels > 0).sum())
    return int(batch.target_mask.sum() if batch.labels is None else (batch.labels != IGNORE).sum())


def n_predicted_of(item: Item) -> int:
    """How much of an item enters its batch's loss: of a batch that another process computes only its items are here."""
    if item.kind == "permutation":
        return sum(rank > 0 for rank in item.labels)
    return len(item.target) if item.labels is None else sum(label != IGNORE for label in item.labels)
