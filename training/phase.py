"""What one phase of training (pretraining or fine-tuning) keeps between steps, and what it writes down."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from data.batches import Batch
from data.example import BadRecords, evenly
from data.tokenizers.tokenizer import Tokenizer
from model.transformer import Transformer
from system.atomic_files import write_json
from system.errors import UserError
from training.batch_loss import batch_loss
from training.config import LoopConfig, ObjectivesConfig
from training.corpus import Corpus
from training.ema import averaged_weights, copy_weights, start_average
from training.mixture import Mixture
from training.optimizer import make_optimizer
from training.overview import show_bad_records
from training.progress import Progress
from training.recipes import TrainingSettings
from training.run.budget import Clock
from training.run.checkpoints import Checkpoint, Position, load_checkpoint, save_checkpoint
from training.run.folder import append_metrics
from training.run.load import new_heads
from training.strategies.averaging import average_checkpoints
from training.strategies.config import StrategiesConfig
from training.strategies.cost import step_flops
from training.strategies.distillation import Teacher
from training.strategies.layer_wise import freeze, rates
from training.strategies.lora import add_lora, merge_lora
from training.stream import Place, Stream

METRICS_EVERY = 20  # steps between lines of metrics.jsonl
EARLY_STOPPING = ("best_held_out_loss", "stale_evaluations")  # counters that each phase begins anew


@dataclass
class Run:
    """What both phases share."""

    folder: Path
    settings: TrainingSettings
    device: torch.device
    tokenizer: Tokenizer
    model: Transformer
    position: Position  # where training stands: what a checkpoint remembers
    began: float  # time.monotonic() at the start of the command
    teacher: Transformer | None = None  # whose probabilities fine-tuning learns too
    earlier_seconds: float = 0.0  # that earlier commands worked on this run, up to their last checkpoint
    stop: bool = False  # Ctrl-C or SIGTERM came: save and leave after this step

    @property
    def wall_seconds(self) -> float:
        """How long the run has taken so far, reading and scoring included."""
        return self.earlier_seconds + time.monotonic() - self.began


@dataclass
class Phase:
    """One phase while it runs."""

    name: str
    loop: LoopConfig
    corpus: Corpus
    total: int  # optimiser steps
    batches: Iterator[tuple[Place, Batch]]
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] | None  # moving average of the weights
    best: dict[str, Tensor] | None  # weights with the lowest held-out loss so far, kept when patience is set
    clock: Clock
    read: dict[str, int]  # bad records that were counted before the phase began
    strategies: StrategiesConfig  # of fine-tuning (chapter 3.2); pretraining has none
    teacher: Teacher | None  # whose probabilities are learnt too
    teacher_flops: int = 0  # of its passes that the budget has
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=50))  # of the last steps, for the bar


def check_lengths(settings: TrainingSettings, corpora: Mapping[str, Corpus], tokenizer: Tokenizer) -> None:
    """Refuse examples that are too long before any work starts (`Stream.check_lengths`). Raises UserError."""
    for corpus in corpora.values():
        Stream(corpus.mixture(ObjectivesConfig(), tokenizer, settings.seed), settings.data, corpus.bad).check_lengths()


def start_phase(run: Run, name: str, loop: LoopConfig, corpus: Corpus, checkpoint: Checkpoint | None) -> Phase:
    """Begin a phase, or go on with it from a checkpoint that was saved in it."""
    settings, position, read = run.settings, run.position, dict(corpus.bad.counts)
    strategies = settings.strategies if name == "training" else StrategiesConfig()
    mixture = corpus.mixture(loop.objectives, run.tokenizer, settings.seed, strategies)
    stream = Stream(mixture, settings.data, corpus.bad)
    total = loop.steps
    if loop.epochs and not loop.steps:
        total = max(1, stream.count_batches(loop.epochs) // loop.accumulate)
    teacher = Teacher(run.teacher) if strategies.teacher and strategies.teacher_weight else None
    if strategies.lora_rank:
        add_lora(run.model, strategies.lora_rank, strategies.lora_alpha, new_heads(settings))
    if not strategies.unfreeze_every:  # what is never trained has no place in the optimiser
        freeze(run.model, strategies, 1)
    optimizer = make_optimizer(run.model, loop, rates(run.model, strategies))
    average, best = start_average(run.model) if loop.ema_decay else None, None
    if checkpoint is not None and position.phase == name:
        kept = load_checkpoint(checkpoint, run.model, optimizer)
        average, best = kept.get("average", average), kept.get("best")
        if was_stopped_early(position.counters, loop.patience):
            total = position.step
    else:
        position.phase, position.step, position.epoch, position.chunk, position.batch = name, 0, 0, 0, 0
        for counter in EARLY_STOPPING:
            position.counters.pop(counter, None)
    batches = stream.batches(Place(position.epoch, position.chunk, position.batch))
    clock = Clock(position.counters)
    return Phase(name, loop, corpus, total, batches, optimizer, average, best, clock, read, strategies, teacher)


def next_batches(run: Run, phase: Phase) -> list[Batch]:
    """The batches of one optimiser step; the run's position moves on."""
    drawn = []
    for _ in range(phase.loop.accumulate):
        place, batch = next(phase.batches)
        run.position.epoch, run.position.chunk, run.position.batch = place.epoch, place.chunk, place.batch
        drawn.append(batch.to(run.device))
    run.position.step += 1
    run.position.total_step += 1
    return drawn


def record(run: Run, phase: Phase, batches: list[Batch], values: dict[str, float], progress: Progress) -> None:
    """After a step: counters, bar, metrics.jsonl, the held-out loss when it is due, and a checkpoint when it is."""
    position, loop = run.position, phase.loop
    if math.isfinite(values["gradient_norm"]) and math.isfinite(values["loss"]):
        phase.losses.append(values["loss"])
        position.counters["bad_steps"] = 0
    else:
        note_bad_step(run, loop, batches)
    count(run, phase, batches)
    progress.update(position.step, sum(phase.losses) / max(1, len(phase.losses)), sum(b.n_tokens for b in batches))
    last = position.step == phase.total
    held_out = held_out_loss(run, phase) if last or due(position.step, loop.evaluate_every) else None
    if held_out is not None:
        values["held_out_loss"] = held_out
        progress.say(f"{phase.name} step {position.step}: held-out loss {values['held_out_loss']:.4f}")
        if is_stale(position.counters, values["held_out_loss"], loop.patience):
            progress.say(f"{phase.name}: no better for {loop.patience} evaluations in a row, stopped early")
            phase.total = position.step
        if loop.patience and position.counters["stale_evaluations"] == 0:
            with averaged_weights(run.model, phase.average):
                phase.best = start_average(run.model)
    if last or due(position.step, METRICS_EVERY) or "held_out_loss" in values:
        speed = {"tokens_per_second": progress.tokens_per_second}
        append_metrics(run.folder, {"phase": phase.name, "step": position.total_step, **values, **speed})
    if position.step == phase.total or due(position.step, loop.checkpoint_every):
        save(run, phase)


def save(run: Run, phase: Phase) -> None:
    """Write a checkpoint of where the run stands. Raises UserError."""
    position, loop = run.position, phase.loop
    position.counters["wall_seconds"] = run.wall_seconds
    more = {"average": phase.average, "best": phase.best}
    between = position.step < phase.total and not due(position.step, loop.checkpoint_every)
    save_checkpoint(run.folder, position, run.model, phase.optimizer, more, loop.keep_checkpoints, between)


def due(step: int, every: int) -> bool:
    """Whether something that happens every so many steps (0: never) happens now."""
    return every > 0 and step % every == 0


def count(run: Run, phase: Phase, batches: list[Batch]) -> None:
    """Add a step to the run's budget."""
    counters, config = run.position.counters, run.settings.model
    flops = sum(step_flops(config, batch, phase.strategies, run.position.step) for batch in batches)
    teacher_flops = 0 if phase.teacher is None else phase.teacher.flops
    added = {
        "steps": 1,
        "examples": sum(len(batch.ids) for batch in batches),
        "tokens": sum(batch.n_tokens for batch in batches),
        "training_flops": flops + teacher_flops - phase.teacher_flops,
    }
    phase.teacher_flops = teacher_flops
    for name, amount in added.items():
        counters[name] = counters.get(name, 0) + amount
    counters.update(phase.clock.read())


def note_bad_step(run: Run, loop: LoopConfig, batches: list[Batch]) -> None:
    """A step whose loss or gradient is not finite was skipped: count it, and stop after too many in a row."""
    counters = run.position.counters
    counters["skipped_steps"] = counters.get("skipped_steps", 0) + 1
    counters["bad_steps"] = counters.get("bad_steps", 0) + 1
    if counters["bad_steps"] >= loop.max_bad_steps:
        path = run.folder / "bad_batches.json"
        write_json(path, [batch.ids for batch in batches])
        raise UserError(
            f"the loss was not finite {loop.max_bad_steps} steps in a row; the last batch's ids are in {path}; "
            "look at those examples, or start again with a lower learning rate and --overwrite"
        )


@torch.no_grad()
def held_out_loss(run: Run, phase: Phase) -> float | None:
    """Mean of -log P over the real target tokens of the held-out pairs: equation (6) without smoothing or dropout.

    Pretraining's is that of its own objectives, on what it holds out. None where nothing is held out, or nothing of it
    is short enough.
    """
    held_out, objectives = phase.corpus.held_out, ObjectivesConfig()
    if phase.name == "pretraining":
        held_out = list(evenly(held_out, run.settings.data.held_out))
        objectives = replace(phase.loop.objectives, schedule=())  # of all epochs at once
    run.model.eval()
    stream = Stream(Mixture(objectives, run.tokenizer, 0, held_out), run.settings.data, BadRecords())
    total, tokens = 0.0, 0
    with averaged_weights(run.model, phase.average):
        for batch in stream.one_epoch():
            loss, n = batch_loss(run.model, batch.to(run.device), 0.0)
            total, tokens = total + float(loss), tokens + n
    run.model.train()
    return total / tokens if tokens else None


def is_stale(counters: dict[str, float], loss: float, patience: int) -> bool:
    """Whether the held-out loss has not fallen for `patience` evaluations in a row (0: never)."""
    if loss < counters.get("best_held_out_loss", math.inf):
        counters["best_held_out_loss"], counters["stale_evaluations"] = loss, 0
        return False
    counters["stale_evaluations"] = counters.get("stale_evaluations", 0) + 1
    return was_stopped_early(counters, patience)


def was_stopped_early(counters: dict[str, float], patience: int) -> bool:
    """Whether the last evaluation was one too many without improvement (patience 0: never)."""
    return 0 < patience <= counters.get("stale_evaluations", 0)


def finish_phase(run: Run, phase: Phase) -> None:
    """The model's weights become the best ones when early stopping watched, else their average where there is one."""
    show_bad_records(phase.name, phase.corpus.bad, phase.read)
    weights = phase.average if phase.best is None else phase.best
    if weights is not None:
        copy_weights(weights, run.model)
    if phase.strategies.average_checkpoints:
        average_checkpoints(run.folder, run.model, phase.name, phase.strategies.average_checkpoints)
        record_kept_loss(run, phase)
    if phase.strategies.lora_rank:
        merge_lora(run.model)
    if phase.loop.objectives.match:
        show_matching(run, phase)


def record_kept_loss(run: Run, phase: Phase) -> None:
    """Print, and write to metrics.jsonl, the held-out loss of weights that no step of training has had."""
    loss = held_out_loss(run, phase)
    if loss is not None:
        append_metrics(run.folder, {"phase": phase.name, "step": run.position.total_step, "held_out_loss": loss})
        print(f"{phase.name}: held-out loss of the mean {loss:.4f}")


def show_matching(run: Run, phase: Phase) -> None:
    """Print, and write to metrics.jsonl, how many held-out pairs of description and code the network tells apart."""
    from training.matching import matching_accuracy  # with the objective, which other runs must not import

    data, share = run.settings.data, phase.loop.objectives.masked_share
    found = matching_accuracy(
        run.model, run.tokenizer, phase.corpus.train, phase.corpus.held_out, share, data.max_source_length
    )
    if found is not None:
        figures = {
            "matching_accuracy": found.network, "matching_bag_of_words": found.bag_of_words,
            "matching_questions": found.n, "matching_by_function": found.by_function,
        }  # fmt: skip
        append_metrics(run.folder, {"phase": phase.name, "step": run.position.total_step, **figures})
        print(
            f"matching: {found.network:.1%} of {found.n} questions about held-out pairs are answered rightly, by a bag "
            f"of words {found.bag_of_words:.1%}"
        )
