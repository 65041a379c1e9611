"""Knowledge distillation, word by word (chapter 3.2, strategy 6; Hinton et al. 2015; Kim and Rush 2016, 3.1).

    L = (1 - weight) L_pairs + weight T^2 sum_t KL(p_t^T || p_s^T),     p^T = softmax(log P / T)

At every target position the student also learns the teacher's probabilities of all tokens, both softened by the
temperature T. By the student's log P the gradient of the KL is (p_s^T - p_t^T) / T; the factor T^2 keeps it as large as
that of the pairs whatever T is. P is equation (3), with copying mixed in where there is a copy head: teacher and
student need the same vocabulary and nothing else in common.

A teacher learns nothing, so what it says of a pair does not change: it is asked once (`Teacher`), and what costs a
forward pass in the first epoch is read from memory in those after it. Pairs that are new in every epoch (noised,
renamed, perturbed) are asked about each time, and take room that others could use.
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
    load_network,
    load_tokenizer,
    network_config,
    same_vocabulary,
    seen_otherwise,
)
from training.run.settings_file import from_dict
from training.strategies.config import TeacherConfig

CACHED_NUMBERS = 2**28  # numbers that a teacher keeps, 1 GiB: some 5,000 lines at a vocabulary of 4,000 pieces


class Teacher:
    """A trained network, and what it has said so far.

    Each pair is asked about by itself, without padding: its answer does not depend on the batch that it stands in, not
    even by rounding, so that a resumed run, which has to ask again, goes on to the same bits.
    """

    def __init__(self, network: Transformer, kept: int = CACHED_NUMBERS) -> None:
        self.network, self.kept = network, kept
        self.said: dict[tuple[tuple[int, ...], tuple[int, ...]], Tensor] = {}  # source, target -> (T, V)
        self.flops = 0  # of its forward passes so far

    def log_probs(self, batch: Batch) -> Tensor:
        """log P of every token at the N real target positions of a batch: (N, V)."""
        rows = enumerate(zip(*real_lengths(batch), strict=True))
        return torch.cat([self.about(batch, row, *lengths) for row, lengths in rows])

    @torch.no_grad()
    def about(self, batch: Batch, row: int, n_source: int, n_target: int) -> Tensor:
        """The same for one pair of the batch: (T, V)."""
        source, target = batch.source[row : row + 1, :n_source], batch.target[row : row + 1, :n_target]
        pair = tuple(source[0].tolist()), tuple(target[0].tolist())
        if pair in self.said:
            return self.said[pair]
        masks = {"source_mask": torch.ones_like(source).bool(), "target_mask": torch.ones_like(target).bool()}
        shifted = batch.decoder_input[row : row + 1, :n_target]
        alone = replace(batch, source=source, target=target, decoder_input=shifted, **masks)
        said, _ = token_log_probs(self.network, alone)
        self.flops += forward_flops(self.network.config, n_source, n_target)
        if said.numel() <= self.kept:
            self.kept -= said.numel()
            self.said[pair] = said
        return said


def load_teacher(run: str, tokenizer: Tokenizer, data: DataConfig, device: torch.device) -> Transformer:
    """The network of a run folder, which learns nothing any more.

    Raises UserError where there is no trained network, or its vocabulary is another, or what it reads or writes, or
    how long that may be.
    """
    folder = Path(run)
    config, own = network_config(folder), load_tokenizer(folder)
    if not same_vocabulary(own, tokenizer):
        raise UserError(
            f"strategies.teacher.run={run} has another vocabulary than the student; leave out --init.from, and the "
            "student takes its teacher's, or begin from a network that has it"
        )
    other = from_dict(DataConfig, read_config_values(folder)["data"], folder / CONFIG_FILE)
    if difference := seen_otherwise(data, other):
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
    """The sum of a batch's loss, the teacher's part in it where it holds pairs; `plain` gives that of other batches."""

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
    taught = teacher.log_probs(batch)  # (N, V)
    targets = batch.target[batch.target_mask]  # (N)
    if isinstance(student.copy_head, CopyHead):
        hard, _ = copy_loss(log_probs.gather(1, targets[:, None])[:, 0], logits, label_smoothing)
    else:
        hard, _ = sequence_loss(log_probs, targets, label_smoothing)
    return (1 - weight) * hard + weight * soft_loss(log_probs, taught, temperature)


def token_log_probs(model: Transformer, batch: Batch) -> tuple[Tensor, Tensor]:
    """log P of every token at the N real target positions, and the vocabulary's logits there: (N, V) both."""
    memory = model.encode(batch.source, batch.source_mask)  # (B, S, d_model)
    states = model.decode(batch.decoder_input, memory, batch.source_mask)  # (B, T, d_model)
    logits = model.logits(states).to(states.dtype)  # (B, T, V)
    log_probs = model.log_probs(logits, states, memory, batch.source, batch.source_mask)  # (B, T, V)
    return exact(log_probs[batch.target_mask]), logits[batch.target_mask]


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 times the sum over N positions of KL(p_t^T || p_s^T); log-probabilities (N, V) or logits, of both."""
    wanted, given = (teacher / temperature).log_softmax(-1), (student / temperature).log_softmax(-1)  # (N, V)
    return temperature**2 * F.kl_div(given, wanted, reduction="sum", log_target=True)
