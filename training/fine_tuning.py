"""The strategies of fine-tuning that are on (chapter 3.2): the one file that chooses them, and that imports them.

Each is imported where it is on. A phase in which all are off has no `Strategies`, and its steps are the plain ones of
train.py: nothing of this file is called by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from data.batches import Batch
from model.transformer import Transformer
from system.device import autocast
from training.batch_loss import batch_loss
from training.config import LoopConfig
from training.corpus import Corpus
from training.run.load import new_heads
from training.run.state import Run

Gradient = Callable[[Batch, int], float]  # backward pass of a batch of a step that predicts so much -> sum of its loss


def teacher_of(run: Run) -> Transformer | None:
    """The network that fine-tuning learns from, where there is one. Raises UserError."""
    folder = run.settings.strategies.teacher.run
    if not folder:
        return None
    from training.strategies.distillation import load_teacher

    return load_teacher(folder, run.tokenizer, run.settings.data, run.device)


def fine_tuning_corpus(run: Run, corpus: Corpus) -> Corpus:
    """The corpus to fine-tune on, with the teacher's code where the settings ask for it. Raises UserError."""
    if not run.settings.strategies.teacher.sequence_level:
        return corpus
    from training.strategies.sequence_level import with_teacher_targets

    return with_teacher_targets(corpus, run.teacher, run.tokenizer, run.settings, run.folder)


class Strategies:
    """The strategies that a phase has on, and what they change: the network, its gradient, its rates, its cost."""

    def __init__(self, run: Run, loop: LoopConfig) -> None:
        self.run, self.loop, self.config = run, loop, run.settings.strategies
        self.teacher, self.teacher_flops = None, 0  # of its passes that the budget has
        if self.config.teacher.run and self.config.teacher.weight:
            from training.strategies.distillation import Teacher

            self.teacher = Teacher(run.teacher)
        if self.config.lora.rank:
            from training.strategies.lora import add_lora

            add_lora(run.model, self.config.lora.rank, self.config.lora.alpha, new_heads(run.settings))
        if self.config.layers.last:  # what is never trained has no place in the optimiser
            from training.strategies.layer_wise import freeze

            freeze(run.model, self.config.layers, 1)

    def rates(self) -> dict[str, float] | None:
        """Parameter name -> its learning rate as a share of the schedule's; None: all have the whole."""
        if self.config.layers.decay == 1:
            return None
        from training.strategies.layer_wise import rates

        return rates(self.run.model, self.config.layers)

    def gradient(self) -> Gradient | None:
        """The function that takes the place of the plain gradient of train.py, or None where the plain one stays."""
        config, model = self.config, self.run.model
        if config.meta.kind != "none":
            from training.strategies.meta import meta_gradient

            def gradient(batch: Batch, n_tokens: int) -> float:
                return meta_gradient(model, batch, self.loop, config.meta, 1 / self.loop.accumulate).item()

        elif config.adversary.kind != "none":
            from training.strategies.adversarial import passes

            adversary = config.adversary
            gradient = gradient_of(self.loss(), lambda batch: passes(model, batch, adversary), self.run, self.loop)
        elif self.teacher is not None or config.auxiliary.task != "none" or config.layers.unfreeze_every:
            gradient = gradient_of(self.loss(), lambda batch: (1.0,), self.run, self.loop)
        else:
            return None
        return self.unfreezing(gradient) if config.layers.unfreeze_every else gradient

    def loss(self) -> Callable[[Batch], Tensor]:
        """The function that gives the sum of a batch's loss, with the teacher's and the auxiliary task's part."""
        config, model, smoothing = self.config, self.run.model, self.loop.label_smoothing

        def loss(batch: Batch) -> Tensor:
            return batch_loss(model, batch, smoothing)[0]

        if self.teacher is not None:
            from training.strategies.distillation import with_teacher

            loss = with_teacher(loss, model, self.teacher, smoothing, config.teacher)
        if config.auxiliary.task != "none":
            from training.strategies.auxiliary import with_auxiliary

            loss = with_auxiliary(loss, model, config.auxiliary.weight)
        return loss

    def unfreezing(self, gradient: Gradient) -> Gradient:
        """The same gradient, but only of the layers that learn in the step."""
        from training.strategies.layer_wise import freeze

        def of_unfrozen(batch: Batch, n_tokens: int) -> float:
            freeze(self.run.model, self.config.layers, self.run.position.step)
            return gradient(batch, n_tokens)

        return of_unfrozen

    def flops(self, batches: Iterable[Batch]) -> int:
        """Training FLOPs of the step that was just made, its teacher's among them."""
        from training.strategies.cost import step_flops

        network, step = self.run.settings.model, self.run.position.step
        flops = sum(step_flops(network, batch, self.config, step) for batch in batches)
        if self.teacher is not None:
            flops += self.teacher.flops - self.teacher_flops
            self.teacher_flops = self.teacher.flops
        return flops

    def average_checkpoints(self, phase: str) -> bool:
        """Give the network the mean of its last checkpoints where the settings ask for it; say whether they do."""
        if not self.config.average_checkpoints:
            return False
        from training.strategies.averaging import average_checkpoints

        average_checkpoints(self.run.folder, self.run.model, phase, self.config.average_checkpoints)
        return True

    def merge(self) -> None:
        """Merge the low-rank updates, if there are any, into the network's own weights."""
        if self.config.lora.rank:
            from training.strategies.lora import merge_lora

            merge_lora(self.run.model)


def gradient_of(
    loss: Callable[[Batch], Tensor], passes: Callable[[Batch], Iterable[float]], run: Run, loop: LoopConfig
) -> Gradient:
    """The gradient of a loss that is computed in one pass or in several, each with its share of the loss."""

    def gradient(batch: Batch, n_tokens: int) -> float:
        total = 0.0
        for share in passes(batch):
            with autocast(run.device, loop.bf16):
                part = share * loss(batch)
            (part / n_tokens).backward()
            total += part.item()
        return total

    return gradient
