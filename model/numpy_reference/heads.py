"""The copy head and the MLM head, forward and backward (see model/heads.py for the sources).

The pointer-generator mixes two ways to say y_t, with h the decoder's state and m_j the memory of source token j:

    a = softmax over j of (W_q h) . (W_k m_j) / sqrt(d_model)        c = sum_j a_j m_j        s = w . [h; c] + b
    P(y) = g softmax(logits)_y + (1 - g) sum over j with x_j = y of a_j,        g = sigmoid(s)

Let r = g softmax(logits)_y / P(y), the share of the generated part in the probability of the true token. Then for
L = -log P(y):

    dL/dlogits = r (softmax(logits) - onehot(y))        the gradient of equation (6), times the share it had
    dL/ds      = g - r                                  generate more where generating explains y better than copying
    dL/de_j    = (1 - r) (a_j - a_j [x_j = y] / sum of a over x_j = y)        e the scores before a's softmax
"""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.feed_forward import gelu
from model.numpy_reference.linear import Saved, Weights, linear, linear_backward, part, under
from model.numpy_reference.losses import cross_entropy
from model.numpy_reference.normalization import norm, norm_backward
from model.numpy_reference.softmax import log_softmax, softmax, softmax_backward
from model.numpy_reference.transformer import Batch


def copy_head(states: ndarray, memory: ndarray, source_mask: ndarray, weights: Weights) -> Saved:
    """The values of the head, with the weights of source positions `pointed` (B, T, S) and gate `generate` (B, T)."""
    queries, keys = linear(states, part(weights, "query")), linear(memory, part(weights, "key"))
    scores = queries @ keys.swapaxes(1, 2) / math.sqrt(memory.shape[-1])  # (B, T, S)
    pointed = softmax(np.where(source_mask[:, None], scores, np.finfo(scores.dtype).min))  # (B, T, S)
    joined = np.concatenate((states, pointed @ memory), axis=-1)  # (B, T, 2 d_model)
    gate = linear(joined, part(weights, "gate"))[..., 0]  # (B, T)
    gate = np.where(source_mask.any(axis=1, keepdims=True), gate, 1e4)  # where nothing can be copied, P_gen is 1
    generate = 1 / (1 + np.exp(-gate))
    return {"states": states, "memory": memory, "queries": queries, "keys": keys, "pointed": pointed,
            "joined": joined, "gate": gate, "generate": generate}  # fmt: skip


def copy_head_backward(
    d_gate: ndarray, d_scores: ndarray, saved: Saved, weights: Weights
) -> tuple[ndarray, ndarray, Weights]:
    """dL/dstates, dL/dmemory and the gradients, from dL/ds (B, T) and the loss's own dL/de (B, T, S)."""
    states, memory, pointed = saved["states"], saved["memory"], saved["pointed"]

    d_joined, of_gate = linear_backward(d_gate[..., None], saved["joined"], part(weights, "gate"))
    d_states, d_context = np.split(d_joined, 2, axis=-1)  # (B, T, d_model) both
    d_scores = d_scores + softmax_backward(d_context @ memory.swapaxes(1, 2), pointed)  # the gate reads c, so a too
    d_memory = pointed.swapaxes(1, 2) @ d_context  # (B, S, d_model)

    scale = 1 / math.sqrt(memory.shape[-1])
    d_from_queries, of_query = linear_backward(scale * d_scores @ saved["keys"], states, part(weights, "query"))
    d_keys = scale * d_scores.swapaxes(1, 2) @ saved["queries"]  # (B, S, d_model)
    d_from_keys, of_key = linear_backward(d_keys, memory, part(weights, "key"))

    gradients = under("gate", of_gate) | under("query", of_query) | under("key", of_key)
    return d_states + d_from_queries, d_memory + d_from_keys, gradients


def copy_loss(
    logits: ndarray, pointer: Saved, batch: Batch, label_smoothing: float = 0.0
) -> tuple[float, ndarray, ndarray, ndarray]:
    """Equation (6) of the mixture: the loss, dL/dlogits (B, T, V), dL/ds (B, T) and dL/de (B, T, S).

    The smoothing's even spread is scored by the vocabulary's softmax alone, as in training/losses.py.
    """
    match = batch.source[:, None, :] == batch.target[:, :, None]  # (B, T, S), x_j = y_t
    matched = pointer["pointed"] * match  # (B, T, S)
    copied = matched.sum(axis=-1)  # (B, T)
    log_probs, generate = log_softmax(logits), pointer["generate"]
    generated = np.exp(np.take_along_axis(log_probs, batch.target[..., None], axis=-1)[..., 0])  # (B, T)
    mixture = generate * generated + (1 - generate) * copied  # (B, T), P(y_t)
    each = batch.target_mask / batch.target_mask.sum()  # (B, T), 1/N at real tokens
    loss = ((label_smoothing - 1) * np.log(mixture) - label_smoothing * log_probs.mean(axis=-1)) * each
    share = generate * generated / mixture  # (B, T), r
    exact = (1 - label_smoothing) * each
    probs, vocab_size = np.exp(log_probs), logits.shape[-1]
    d_logits = (exact * share)[..., None] * (probs - np.eye(vocab_size)[batch.target])
    d_logits += label_smoothing * each[..., None] * (probs - 1 / vocab_size)
    matched_share = matched / np.where(copied > 0, copied, 1)[..., None]  # (B, T, S)
    d_scores = (exact * (1 - share))[..., None] * (pointer["pointed"] - matched_share)
    return float(loss.sum()), d_logits, exact * (generate - share), d_scores


def mlm_loss(
    states: ndarray, labels: ndarray, masked: ndarray, embedding: ndarray, weights: Weights, config: ModelConfig
) -> tuple[float, ndarray, ndarray, Weights]:
    """Masked language modelling: logits = E Norm(GELU(W h)) + b, loss over the masked source tokens.

    states (B, S, d_model), labels and masked (B, S), embedding E (V, d_model). Returns the loss in nats per masked
    token, dL/dstates, dL/dE and the head's gradients.
    """
    u = linear(states, part(weights, "dense"))  # (B, S, d_model)
    active, slope = gelu(u)
    hidden, saved = norm(active, part(weights, "norm"), config)
    loss, d_logits = cross_entropy(hidden @ embedding.T + weights["bias"], np.where(masked, labels, 0), masked)
    rows = d_logits.reshape(-1, len(embedding))  # (B*S, V)
    d_active, of_norm = norm_backward(d_logits @ embedding, saved, part(weights, "norm"), config)
    d_states, of_dense = linear_backward(d_active * slope, states, part(weights, "dense"))
    d_embedding = rows.T @ hidden.reshape(-1, hidden.shape[-1])  # (V, d_model)
    return loss, d_states, d_embedding, under("dense", of_dense) | under("norm", of_norm) | {"bias": rows.sum(axis=0)}
