"""Train a network that writes code for a description; plain PyTorch, from top to bottom (chapter 3.1, steps 1 to 5).

    python train.py                                  the quick start: pretrains on Python's standard library, then
                                                     learns generated tasks; no network and no data set needed
    python train.py django --data.path FOLDER        real pairs of description and code
    python train.py files --data.path pairs.jsonl --data.nl description --data.code code
    python train.py files --preset chapter-3.3 --data.path pairs.csv
    python train.py django --init.from FOLDER        fine-tune another run's network, or a T5, mT5, BART, PLBART or
                                                     Marian checkpoint, each with its tokenizer
    python train.py files ... --check                what is wrong with the data: said, and nothing is trained
    python train.py --run runs/quickstart --resume   go on with a run that was stopped (a copied one: --trust)
    python train.py --overwrite                      the quick start again, in the place of the run that is there
    python train.py --help                           every setting
"""

from __future__ import annotations

import time

BEGAN = time.monotonic()  # before the libraries load: the run's wall_seconds are those of the whole command

import math
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import dropwhile
from pathlib import Path

from system.own_packages import refuse_foreign_packages

refuse_foreign_packages()

from training.processes import start_others, stopped_status

if __name__ == "__main__":
    start_others(sys.argv[1:])  # here, since PyTorch takes seconds to load

import torch

from evaluation.config import EvaluationConfig
from evaluation.evaluate import evaluate_run
from evaluation.summary import show_results
from model.fast import make_network
from system.device import collect_garbage_seldom, find_device, keep_freed_memory, seed_everything, set_threads
from system.options import run_and_report
from training.alike import check_folder, check_start
from training.batch_loss import batch_loss
from training.check import check_data
from training.command_line import read_training_command, with_language
from training.config import LoopConfig
from training.corpus import Corpus, read_corpora
from training.ema import update_average
from training.ending import together
from training.first_tokenizer import first_tokenizer
from training.lossy_text import show_lossy_text
from training.optimizer import clip_gradient, set_learning_rate
from training.overview import show_overview
from training.parallel import ended_by_a_loss, in_first, in_turn, join, seed_batch, with_mode
from training.phase import exchange_gradients, finish_phase, next_step, prepare, record_step, save, start_phase
from training.progress import Progress
from training.recipes import TrainingSettings
from training.run.checkpoints import Position
from training.run.folder import check_run, opened, read_config_values, write_config
from training.run.load import load_tokenizer
from training.run.record import begin, finish_record, sum_memory, write_budget, write_environment
from training.run.state import Run
from training.schedule import learning_rate
from training.signals import stopping_on_signals
from training.state import Phase, TrainingStep
from training.weights import save_weights


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """All settings of a run: the command line's options, and config.json."""

    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)  # decoding and scoring at the end


def main(argv: list[str]) -> int:
    """Train and score a run: settings, data, tokenizer, model; then, in the run's folder, `make_run`."""
    settings, resume, overwrite = read_training_command(Settings, argv, __doc__)
    if "--check" in argv or settings.parallel.dry_run:
        return check_data(settings)
    folder, ranks = Path(settings.run), join(settings.parallel)
    settings = with_mode(settings, ranks)
    if ranks is None or ranks.first:
        check_run(folder, resume, overwrite)
    settings = with_language(settings)
    device = find_device(settings.device)
    set_threads(settings.threads)
    keeps_memory = keep_freed_memory()
    collect_garbage_seldom()
    seed_everything(settings.seed)

    with in_turn(ranks):
        corpora = read_corpora(settings)
        tokenizer = load_tokenizer(folder) if resume else first_tokenizer(settings, corpora)
    settings = replace(settings, model=replace(settings.model, vocab_size=tokenizer.vocab_size))
    model = make_network(settings.model, tokenizer.pad_id).to(device)
    run = Run(folder, settings, device, tokenizer, model, Position(next(iter(corpora))), BEGAN, ranks=ranks)
    prepare(run, corpora)  # what cannot be trained is refused here
    check_start(run, corpora)
    with opened(folder, resume, overwrite) if run.writes else nullcontext():  # from here on this process alone writes
        return make_run(run, corpora, resume, keeps_memory)


def make_run(run: Run, corpora: dict[str, Corpus], resume: bool, keeps_memory: bool) -> int:
    """Train in two phases, save the network and score it. Returns the exit status."""
    folder, settings, tokenizer = run.folder, run.settings, run.tokenizer
    with in_first(run) as writes:
        if writes:
            begin_folder(run, corpora, resume, keeps_memory)
    if run.ranks is not None:
        check_folder(run)
        run.ranks.log_to(folder / "logs")
    checkpoint = begin(run, corpora, resume)
    with stopping_on_signals(run), ended_by_a_loss(run.ranks):
        for name in dropwhile(lambda name: name != run.position.phase, corpora):
            phase = start_phase(run, name, getattr(settings, name), corpora[name], checkpoint)
            train(run, phase)
            if run.stop:
                save(run, phase)
                print(f"\nstopped; go on with: python train.py --run {folder} --resume", file=sys.stderr)
                return stopped_status()
            finish_phase(run, phase)
    sum_memory(run)
    if not run.writes:  # what follows is for one process
        return 0
    save_weights(folder / "model.safetensors", run.model)
    finish_record(run)
    if not settings.fine_tunes:  # a network to begin others with
        return 0
    corpus, data = settings.corpus, settings.data
    results = evaluate_run(folder, run.model, tokenizer, corpus, data, settings.evaluation, settings.seed)
    write_budget(run)
    show_results(folder, results, read_config_values(folder))
    return 0


def begin_folder(run: Run, corpora: dict[str, Corpus], resume: bool, keeps_memory: bool) -> None:
    """Write tokenizer, settings and environment into the run's folder, and say what will be trained."""
    settings, tokenizer = run.settings, run.tokenizer
    if not resume:
        tokenizer.save(run.folder / tokenizer.file_name)
        write_config(run.folder, settings, tokenizer.special_ids())
    write_environment(run, corpora)
    show_overview(settings, corpora, run.model, run.device, keeps_memory, run.n_processes)
    show_lossy_text(settings, tokenizer, corpora)


def train(run: Run, phase: Phase) -> None:
    """The loop: until the phase's steps are done, draw batches, take a step, write down what happened."""
    run.model.train()
    with Progress(phase.name, phase.total, run.position.step) as progress:
        while run.position.step < phase.total and not run.stop:
            step = next_step(run, phase)
            rate = learning_rate(run.position.step, phase.total, phase.loop)
            loss, norm = take_step(run, phase, step, rate)
            values = {"loss": loss, "learning_rate": rate, "gradient_norm": norm}
            record_step(run, phase, step, values, progress)


def take_step(run: Run, phase: Phase, step: TrainingStep, rate: float) -> tuple[float, float]:
    """Take an optimiser step: forward, backward, clip, update. Returns the mean loss per real token and the norm.

    The batches of one step count as one: the loss is the mean over the real tokens of all of them. A step whose
    loss or gradient is not finite changes nothing.
    """
    loop: LoopConfig = phase.loop
    n_tokens = max(1, step.n_predicted)
    total = 0.0
    phase.optimizer.zero_grad(set_to_none=True)

    for batch in step.batches:
        if run.ranks is not None:
            seed_batch(run.settings.seed, run.position.total_step, batch.number)
        if phase.gradient is None:
            with torch.autocast(run.device.type, torch.bfloat16, enabled=loop.bf16):
                loss, _ = batch_loss(run.model, batch, loop.label_smoothing)  # equation (6)
            (loss / n_tokens).backward()
            total += loss.item()
        else:  # fine-tuning by a strategy that makes its own (training/fine_tuning.py)
            total += phase.gradient(batch, n_tokens)

    if run.ranks is not None:  # several processes, each with its share of the batches
        total = exchange_gradients(run, phase, step, total)
    norm = clip_gradient(run.model, loop.clip_norm).item()
    if math.isfinite(norm) and math.isfinite(total):
        set_learning_rate(phase.optimizer, rate)
        phase.optimizer.step()
        if phase.average is not None:
            update_average(phase.average, run.model, loop.ema_decay, run.position.step)
    return total / n_tokens, norm


if __name__ == "__main__":
    sys.exit(run_and_report(together(main), sys.argv[1:]))
