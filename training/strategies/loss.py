"""The loss of a batch under the strategies in use: equation (6), and what they add to it."""

from __future__ import annotations

from torch import Tensor

from data.batches import Batch
from model.transformer import Transformer
from training.batch_loss import batch_loss, n_predicted
from training.config import LoopConfig
from training.strategies.auxiliary import auxiliary_loss
from training.strategies.config import StrategiesConfig
from training.strategies.distillation import Teacher, distillation_loss


def strategy_loss(
    model: Transformer, batch: Batch, loop: LoopConfig, strategies: StrategiesConfig, teacher: Teacher | None
) -> Tensor:
    """Sum of the loss over what the batch predicts; without strategies that of `batch_loss`."""
    if teacher is not None and batch.kind == "seq2seq":
        weight, temperature = strategies.teacher_weight, strategies.temperature
        loss = distillation_loss(model, teacher, batch, loop.label_smoothing, weight, temperature)
    else:
        loss, _ = batch_loss(model, batch, loop.label_smoothing)
    if batch.beside is not None:
        loss = loss + auxiliary_loss(model, batch, n_predicted(batch), strategies.auxiliary_weight)
    return loss
