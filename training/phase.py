"""A phase of training (pretraining or fine-tuning): its beginning, its records, its end."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING

from data.oddities import too_long
from system.atomic_files import write_json
from system.device import has_bf16
from system.errors import UserError
from training.alike import check_weights
from training.config import LoopConfig, ObjectivesConfig
from training.corpus import Corpus
from training.early_stopping import EARLY_STOPPING, held_out_loss, is_stale, record_kept_loss, was_stopped_early
from training.ema import averaged_weights, copy_weights, start_average
from training.fine_tuning import Strategies, teacher_of
from training.optimizer import make_optimizer
from training.overview import show_bad_records
from training.parallel import exchange_figures, in_first
from training.prefetch import made_beside, makes_beside
from training.processes import check_enough_batches
from training.progress import Progress
from training.run.budget import Clock, batch_flops
from training.run.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from training.run.state import Run
from training.state import Phase, TrainingStep
from training.strategies.config import StrategiesConfig
from training.stream import Planned, Stream, StreamPosition
from training.tracking import check_tracking, write_metrics

if TYPE_CHECKING:
    from training.sharded import Shards

METRICS_EVERY = 20  # steps between lines of metrics.jsonl


def prepare(run: Run, corpora: dict[str, Corpus]) -> None:
    """Refuse impossible training before the run's folder is written to; count what is too long. Raises UserError."""
    check_tracking(run.settings)
    run.teacher = teacher_of(run)
    if run.ranks is not None:
        check_enough_batches(run.ranks.world, {name: getattr(run.settings, name).accumulate for name in corpora})
    if run.shares_weights:
        from training.sharded import check_sharding

        check_sharding(run, corpora)
    if run.settings.parallel.recompute:
        from training.recompute import recompute_layers  # which other runs must not import

        recompute_layers(run.model)
    if run.settings.parallel.compile:
        from training.compiled import compile_for

        compile_for(run.device, run.model)
    for corpus in corpora.values():
        mixture = corpus.mixture(ObjectivesConfig(), run.tokenizer, run.settings.seed)
        stream = Stream(mixture, run.settings.data, corpus.bad, run.ranks)
        stream.check_lengths()
        if corpus.tests:  # what others have is made here
            if run.settings.training.steps and run.settings.training.objectives.pairs:
                stream.count_too_long()  # with epochs they are counted as their batches are
            longest = run.settings.evaluation.max_new_tokens
            corpus.notes.extend(too_long(corpus.tests, run.tokenizer, run.settings.data, longest))


def plan_phase(run: Run, name: str, loop: LoopConfig, corpus: Corpus) -> tuple[Stream, int]:
    """The batches of a phase and the number of its steps. Says what is too long, and when a warm-up is."""
    settings, known = run.settings, dict(corpus.bad.counts)
    config = settings.strategies if name == "training" else StrategiesConfig()
    mixture = corpus.mixture(loop.objectives, run.tokenizer, settings.seed, config)
    stream = Stream(mixture, settings.data, corpus.bad, run.ranks)
    total = loop.steps
    if loop.epochs and not loop.steps:
        total = max(1, stream.count_batches(loop.epochs) // loop.accumulate)
    show_bad_records(name, corpus.bad, known)
    if 0 < total <= loop.warmup_steps:
        print(
            f"{name}: all of its {total:,} steps are warm-up: --{name}.warmup_steps is {loop.warmup_steps:,}; lower it",
            file=sys.stderr,
        )  # fmt: skip
    return stream, total


def start_phase(run: Run, name: str, loop: LoopConfig, corpus: Corpus, checkpoint: Checkpoint | None) -> Phase:
    """Begin a phase, or resume it from a checkpoint that was saved in it."""
    position, loop = run.position, replace(loop, bf16=loop.bf16 and has_bf16(run.device))
    stream, total = plan_phase(run, name, loop, corpus)
    config, read = stream.mixture.strategies, dict(corpus.bad.counts)

    strategies = None if config == StrategiesConfig() else Strategies(run, loop)
    shards = share_weights(run, loop)
    optimizer = make_optimizer(run.model, loop, None if strategies is None else strategies.rates())
    average, best = start_average(run.model) if loop.ema_decay else None, None

    if checkpoint is not None and position.phase == name:
        kept = shards.load(checkpoint, optimizer) if shards else load_checkpoint(checkpoint, run.model, optimizer)
        average, best = kept.get("average", average), kept.get("best")
        if was_stopped_early(position.counters, loop.patience):
            total = position.step
    else:
        position.phase, position.step, position.epoch, position.chunk, position.batch = name, 0, 0, 0, 0
        for counter in EARLY_STOPPING:
            position.counters.pop(counter, None)

    planned = steps_to_come(run, stream, loop.accumulate)
    clock = Clock(position.counters)
    if run.ranks is not None:
        run.ranks.told()  # what it took to count batches is no part of the phase
    gradient = None if strategies is None else strategies.gradient()
    gradient = gradient if shards is None else shards.gradient
    begun = total, stream, planned, optimizer, average, best, clock, read, gradient, strategies, shards
    return Phase(name, loop, corpus, *begun)


def share_weights(run: Run, loop: LoopConfig) -> Shards | None:
    """Share the network's weights among the processes where the settings ask for it."""
    if not run.shares_weights:
        return None
    from training.sharded import Shards

    return Shards(run, loop, run.ranks)


def steps_to_come(run: Run, stream: Stream, accumulate: int) -> Iterator[tuple[StreamPosition, TrainingStep]]:
    """The optimiser steps from the run's position on, without end, each with the position that follows it."""
    position = run.position
    planned = stream.planned(StreamPosition(position.epoch, position.chunk, position.batch))
    plans = (list(islice(planned, accumulate)) for _ in count())
    make = partial(make_step, run, stream)
    return made_beside(make, plans) if makes_beside(run.device) else map(make, plans)


def make_step(
    run: Run, stream: Stream, planned: Sequence[tuple[StreamPosition, Planned]]
) -> tuple[StreamPosition, TrainingStep]:
    """An optimiser step out of what its batches will hold. Those of other processes stay plans."""
    plans, device = [plan for _, plan in planned], next(run.model.parameters()).device
    numbers = range(len(plans)) if run.ranks is None else run.ranks.own(len(plans))
    batches = [replace(stream.collated(plans[number]).to(device), number=number) for number in numbers]
    items = [one for plan in plans for one in plan]
    ids = [[one.id for one in plan] for plan in plans]
    n_predicted, n_tokens = sum(one.n_predicted for one in items), sum(sum(one.lengths) for one in items)
    return planned[-1][0], TrainingStep(batches, n_predicted, n_tokens, ids)


def next_step(run: Run, phase: Phase) -> TrainingStep:
    """Draw the batches of one optimiser step, and advance the run's position."""
    place, step = next(phase.planned)
    run.position.epoch, run.position.chunk, run.position.batch = place.epoch, place.chunk, place.batch
    run.position.step += 1
    run.position.total_step += 1
    return step


def exchange_gradients(run: Run, phase: Phase, step: TrainingStep, loss: float) -> float:
    """Give the network the gradient of all processes, the step its cost and the run its end, if it is asked of one.

    Returns the sum of their losses.
    """
    figures = loss, flops_of(run, phase, step), phase.clock.cpu_seconds, float(run.asked_to_stop), *run.ranks.told()
    if phase.shards is None:
        sums = run.ranks.exchange(run.model, figures)
    else:  # the gradients are exchanged already
        sums = run.ranks.total(*figures)
    loss, step.flops, step.cpu_seconds, n_asked, *told = sums
    before = phase.exchanging or [0.0] * len(told)
    phase.exchanging = [sum(seconds) for seconds in zip(before, told, strict=True)]
    run.stop = n_asked > 0
    return loss


def record_step(run: Run, phase: Phase, step: TrainingStep, values: dict[str, float], progress: Progress) -> None:
    """After a step: counters, bar, metrics.jsonl, the held-out loss when it is due, and a checkpoint when it is."""
    position, loop = run.position, phase.loop
    if math.isfinite(values["gradient_norm"]) and math.isfinite(values["loss"]):
        phase.losses.append(values["loss"])
        position.counters["bad_steps"] = 0
    else:
        note_bad_step(run, loop, step)
    count_step(run, phase, step)
    exchange = exchange_figures(phase.exchanging, progress.seconds)
    progress.update(position.step, sum(phase.losses) / max(1, len(phase.losses)), step.n_tokens, exchange)

    last = position.step == phase.total
    held_out = held_out_loss(run, phase) if last or is_due(position.step, loop.evaluate_every) else None

    if held_out is not None:
        values["held_out_loss"] = held_out
        progress.say(f"{phase.name} step {position.step}: held-out loss {values['held_out_loss']:.4f}")
        if is_stale(position.counters, values["held_out_loss"], loop.patience):
            progress.say(f"{phase.name}: no better for {loop.patience} evaluations in a row, stopped early")
            phase.total = position.step
        if loop.patience and position.counters["stale_evaluations"] == 0:
            with averaged_weights(run.model, phase.average):
                phase.best = start_average(run.model)

    if last or is_due(position.step, METRICS_EVERY) or "held_out_loss" in values:
        speed = {"tokens_per_second": progress.tokens_per_second}
        write_metrics(run, phase.name, **values, **speed, **exchange)
    if position.step == phase.total or is_due(position.step, loop.checkpoint_every):
        save(run, phase)


def save(run: Run, phase: Phase) -> None:
    """Write a checkpoint of where the run stands. Raises UserError."""
    check_weights(run)
    with in_first(run) as is_first:
        if is_first or phase.shards is not None:  # of shards each process writes its own
            write_checkpoint(run, phase)


def write_checkpoint(run: Run, phase: Phase) -> None:
    """Write it. Raises UserError."""
    position, loop = run.position, phase.loop
    position.counters["wall_seconds"] = run.wall_seconds
    more = {"average": phase.average, "best": phase.best}
    between = position.step < phase.total and not is_due(position.step, loop.checkpoint_every)
    if phase.shards is None:
        save_checkpoint(run.folder, position, run.model, phase.optimizer, more, loop.keep_checkpoints, between)
    else:
        phase.shards.save(phase.optimizer, more, loop.keep_checkpoints, between)


def is_due(step: int, every: int) -> bool:
    """Whether something that happens every so many steps (0: never) happens at this step."""
    return every > 0 and step % every == 0


def flops_of(run: Run, phase: Phase, step: TrainingStep) -> int:
    """Training FLOPs of what this process has computed of a step."""
    if phase.strategies is None:
        return sum(batch_flops(run.settings.model, batch) for batch in step.batches)
    return phase.strategies.flops(step.batches)


def count_step(run: Run, phase: Phase, step: TrainingStep) -> None:
    """Add a step's tokens and FLOPs to the run's budget."""
    counters = run.position.counters
    added = {
        "steps": 1,
        "examples": sum(map(len, step.ids)),
        "tokens": step.n_tokens,
        "training_flops": flops_of(run, phase, step) if run.ranks is None else int(step.flops),
    }
    for name, amount in added.items():
        counters[name] = counters.get(name, 0) + amount
    counters.update(phase.clock.read(step.cpu_seconds))


def note_bad_step(run: Run, loop: LoopConfig, step: TrainingStep) -> None:
    """A step whose loss or gradient is not finite was skipped: count it, and stop after too many in a row."""
    counters = run.position.counters
    counters["skipped_steps"] = counters.get("skipped_steps", 0) + 1
    counters["bad_steps"] = counters.get("bad_steps", 0) + 1
    if counters["bad_steps"] >= loop.max_bad_steps:
        path = run.folder / "bad_batches.json"
        if run.writes:
            write_json(path, step.ids)
        raise UserError(
            f"the loss was not finite {loop.max_bad_steps} steps in a row; the last batch's ids are in {path}; "
            "look at those examples, or start again with a lower learning rate and --overwrite"
        )


def finish_phase(run: Run, phase: Phase) -> None:
    """End a phase: the model gets its best weights where early stopping was on, else the average, if any."""
    show_bad_records(phase.name, phase.corpus.bad, phase.read)
    weights = phase.average if phase.best is None else phase.best
    if weights is not None:
        copy_weights(weights, run.model)
    if phase.shards is not None:
        run.model = phase.shards.gathered()
    if phase.strategies is not None:
        if phase.strategies.average_checkpoints(phase.name):
            record_kept_loss(run, phase)
        phase.strategies.merge()
    run.model.repack()
    if phase.loop.objectives.match:
        show_matching(run, phase)


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
        write_metrics(run, phase.name, **figures)
        print(
            f"matching: {found.network:.1%} of {found.n} questions about held-out pairs are answered rightly, by a bag "
            f"of words {found.bag_of_words:.1%}"
        )
