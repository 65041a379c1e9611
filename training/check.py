"""`python train.py CORPUS ... --check`: what is wrong with the data and with the plan, before anything is written.

A run says the same before its first step. Rows that cannot be used are copied here into files to mend besides.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from model.fast import make_network
from system.device import find_device, keep_freed_memory, seed_everything, set_threads
from training.command_line import with_language
from training.corpus import read_corpora
from training.first_tokenizer import first_tokenizer
from training.lossy_text import show_lossy_text
from training.overview import show_bad_records, show_overview
from training.phase import plan_phase, prepare
from training.recipes import TrainingSettings
from training.run.checkpoints import Position
from training.run.state import Run


def check_data(settings: TrainingSettings) -> int:
    """Prepare a run as train.py does, say what it would begin with and each phase's steps; returns exit status 0.

    With parallel.dry_run: say what a step of so many processes would need, which no data says. Raises UserError where
    training would be refused.
    """
    if settings.parallel.dry_run:
        from training.dry_run import dry_run  # it loads much that others do not need

        return dry_run(settings)
    settings = with_language(settings)
    show_refused(settings)
    device = find_device(settings.device)
    set_threads(settings.threads)
    keeps_memory = keep_freed_memory()
    seed_everything(settings.seed)
    corpora = read_corpora(settings)
    tokenizer = first_tokenizer(settings, corpora)
    settings = replace(settings, model=replace(settings.model, vocab_size=tokenizer.vocab_size))
    model = make_network(settings.model, tokenizer.pad_id).to(device)
    run = Run(Path(settings.run), settings, device, tokenizer, model, Position(next(iter(corpora))), time.monotonic())
    prepare(run, corpora)

    show_overview(settings, corpora, model, device, keeps_memory)
    show_lossy_text(settings, tokenizer, corpora)
    for name, corpus in corpora.items():
        _, total = plan_phase(run, name, getattr(settings, name), corpus)
        print(f"{name}: {total:,} steps", file=sys.stderr)
    print("checked; nothing was trained or written into the run's folder: leave --check out to train", file=sys.stderr)
    return 0


def show_refused(settings: TrainingSettings) -> None:
    """Say which rows of a user's own files cannot be used, and copy them into the folder he works in. OSError."""
    if settings.corpus != "files":
        return
    from data.corpora.files import files_source  # other runs must not import these
    from data.corpora.refused import copy_refused

    source = files_source(settings.data)
    for split in source.parts:
        bad, files = copy_refused(source, split, settings.data, Path())
        if split != "train":  # what is left out of training, the overview says
            show_bad_records(split, bad)
        if files:
            rows, names = f"{sum(bad.counts.values()):,} rows that cannot be used", " and ".join(map(str, files))
            print(f"{split}: {rows} stand in {names} as they were; mend them there and put them back", file=sys.stderr)
