"""Knowledge distillation, word by word (chapter 3.2, strategy 6; Hinton et al. 2015; Kim and Rush 2016, 3.1).

    L = (1 - weight) L_pairs + weight T^2 sum_t KL(p_t^T || p_s^T),     p^T = softmax(log P / T)

At every target position the student also learns the teacher's probabilities of all tokens, both softened by the
temperature T. By the student's log P the gradient of the KL is (p_s^T - p_t^T) / T; the factor T^2 keeps it as large as
that of the pairs whatever T is. P is equation (3), with copying mixed in where there is a copy head: teacher and
student need the same vocabulary and nothing else in common.

A teacher learns nothing, so its probabilities for a pair do not change: they are computed once (`Teacher`), and what
costs a forward pass in the first epoch is read from memory in those after it. Pairs that are new in every epoch
(noised, renamed, perturbed) are computed each time, and take room that others could use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from data.batches import Batch
from data.config import DataConfig
from data.tokenizers.tokenizer import Tokenizer
from model.fast import make_network
from model.heads import CopyHead
from model.transformer import Transformer
from system.errors import UserError
from training.flops import forward_flops
from training.losses import copy_loss, exact, sequence_loss
from training.run.budget import real_lengths
from training.run.folder import CONFIG_FILE, read_config_values
from training.run.load import (
    check_positions,
    differing_text_setting,
    load_network,
    load_tokenizer,
    network_config,
    same_vocabulary,
)
from training.run.settings_file import from_dict
from training.strategies.config import TeacherConfig

CACHED_NUMBERS = 2**28  # numbers that a teacher keeps, 1 GiB: some 5,000 lines at a vocabulary of 4,000 pieces


class Teacher:
    """A trained network, and a cache of its log-probabilities.

    Each pair is computed by itself, without padding: the result does not depend on the batch that it stands in, not
    even by rounding, so that a resumed run, whose cache is empty again, goes on to the same bits.
    """

    def __init__(self, network: Transformer, room: int = CACHED_NUMBERS) -> None:
        self.network, self.room = network, room  # numbers that may still be kept
        self.cached: dict[tuple[tuple[int, ...], tuple[int, ...]], Tensor] = {}  # source, target -> (T, V)
        self.flops = 0  # of its forward passes so far

    def log_probs(self, batch: Batch) -> Tensor:
        """log P of every token at the N real target positions of a batch: (N, V)."""
        rows = enumerate(zip(*real_lengths(batch), strict=True))
        return torch.cat([self.pair_log_probs(batch, row, *lengths) for row, lengths in rows])

    @torch.no_grad()
    def pair_log_probs(self, batch: Batch, row: int, n_source: int, n_target: int) -> Tensor:
        """log P of every token at the target positions of one pair of the batch: (T, V)."""
        source, target = batch.source[row : row + 1, :n_source], batch.target[row : row + 1, :n_target]
        pair = tuple(source[0].tolist()), tuple(target[0].tolist())
        if pair in self.cached:
            return self.cached[pair]
        masks = {"source_mask": torch.ones_like(source).bool(), "target_mask": torch.ones_like(target).bool()}
        shifted = batch.decoder_input[row : row + 1, :n_target]
        alone = replace(batch, source=source, target=target, decoder_input=shifted, **masks)
        log_probs, _ = token_log_probs(self.network, alone)
        self.flops += forward_flops(self.network.config, n_source, n_target)
        if log_probs.numel() <= self.room:
            self.room -= log_probs.numel()
            self.cached[pair] = log_probs
        return log_probs


def load_teacher(run: str, tokenizer: Tokenizer, data: DataConfig, device: torch.device) -> Transformer:
    """The teacher's network, from a run folder; its weights are frozen.

    Raises UserError where there is no trained network, or where its vocabulary, the texts that it reads and writes or
    their greatest length do not suit the student.
    """
    folder = Path(run)
    config, own = network_config(folder), load_tokenizer(folder)
    if not same_vocabulary(own, tokenizer):
        raise UserError(
            f"strategies.teacher.run={run} has another vocabulary than the student; leave out --init.from, and the "
            "student takes its teacher's, or begin from a network that has it"
        )
    other = from_dict(DataConfig, read_config_values(folder)["data"], folder / CONFIG_FILE)
    if difference := differing_text_setting(data, other):
        raise UserError(
            f"strategies.teacher.run={run} was trained with {difference}; take a teacher that knows such texts"
        )
    sizes = {f"data.{name}": getattr(data, name) for name in ("max_source_length", "max_target_length")}
    check_positions(config, sizes, f" of strategies.teacher.run={run}; lower it, or take another teacher")
    teacher = make_network(config, own.pad_id)
    load_network(teacher, folder)
    return teacher.to(device).eval().requires_grad_(False)


def with_teacher(
    plain: Callable[[Batch], Tensor], student: Transformer, teacher: Teacher, label_smoothing: float,
    config: TeacherConfig,
) -> Callable[[Batch], Tensor]:
    """A function that gives the sum of a batch's loss: of pairs with the teacher's part, of others `plain`'s."""

    def loss(batch: Batch) -> Tensor:
        if batch.kind != "seq2seq":
            return plain(batch)
        return distillation_loss(student, teacher, batch, label_smoothing, config.weight, config.temperature)

    return loss


def distillation_loss(
    student: Transformer, teacher: Teacher, batch: Batch, label_smoothing: float, weight: float, temperature: float
) -> Tensor:
    """The sum of the loss over the real target tokens of pairs."""
    log_probs, logits = token_log_probs(student, batch)  # (N, V) both
    teacher_log_probs = teacher.log_probs(batch)  # (N, V)
    targets = batch.target[batch.target_mask]  # (N)
    if isinstance(student.copy_head, CopyHead):
        hard, _ = copy_loss(log_probs.gather(1, targets[:, None])[:, 0], logits, label_smoothing)
    else:
        hard, _ = sequence_loss(log_probs, targets, label_smoothing)
    return (1 - weight) * hard + weight * soft_loss(log_probs, teacher_log_probs, temperature)


def token_log_probs(model: Transformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """log P of every token at the N real target positions, and the vocabulary's logits there: (N, V) both."""
    memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    states = model.decode(batch.decoder_input, memory, batch.source_mask)  # (B, T, d_model)
    logits = model.logits(states).to(states.dtype)  # (B, T, V)
    log_probs = model.log_probs(logits, states, memory, batch.source, batch.source_mask)  # (B, T, V)
    return exact(log_probs[batch.target_mask]), logits[batch.target_mask]


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 times the sum over N positions of KL(p_t^T || p_s^T); log-probabilities (N, V) or logits, of both."""
    teacher, student = (teacher / temperature).log_softmax(-1), (student / temperature).log_softmax(-1)  # (N, V)
    return temperature**2 * F.kl_div(student, teacher, reduction="sum", log_target=True)
