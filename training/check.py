"""`python train.py CORPUS ... --check`: what is wrong with the data and with the plan, before anything is written.

A run says the same before its first step. Rows that cannot be used are copied here into files to mend besides.
"""

from __future__ import annotations

import sys
from pathlib import Path

from training.corpus import Corpus
from training.overview import show_bad_records, show_overview
from training.phase import plan_phase
from training.recipes import TrainingSettings
from training.run.state import Run


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


def show_check(run: Run, corpora: dict[str, Corpus], keeps_memory: bool) -> int:
    """Say what training would begin with, each phase's steps and what is odd. Returns the exit status, 0."""
    show_overview(run.settings, corpora, run.model, run.device, keeps_memory)
    for name, corpus in corpora.items():
        _, total = plan_phase(run, name, getattr(run.settings, name), corpus)
        print(f"{name}: {total:,} steps", file=sys.stderr)
    print("checked; nothing was trained or written into the run's folder: leave --check out to train", file=sys.stderr)
    return 0
