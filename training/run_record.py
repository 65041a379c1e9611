"""What a run folder remembers beside its settings: environment.json and budget.json."""

from __future__ import annotations

from pathlib import Path

from training.atomic_files import write_json
from training.budget import COUNTERS, peak_memory_mib
from training.code_hash import code_hash, imported_files
from training.corpus import Corpus
from training.environment import describe_environment
from training.phase import Run
from training.settings_file import read_json


def write_environment(run: Run, corpora: dict[str, Corpus]) -> None:
    """Versions, machine, threads, seed, and the hash of the data."""
    about = {name: corpus.about for name, corpus in corpora.items()}
    content = describe_environment(
        run.settings.seed,
        run.device,
        data=about,
        data_hash=about["training"]["data_hash"],
        parameters=sum(weight.numel() for weight in run.model.parameters()),
    )
    write_json(run.folder / "environment.json", content)


def finish_record(run: Run) -> None:
    """At the end: the budget, and the hash of the code that the run has imported by then."""
    counters = run.position.counters
    budget = {name: counters.get(name, 0) for name in COUNTERS}
    write_json(run.folder / "budget.json", {**budget, "peak_memory_mib": peak_memory_mib()})
    root = Path(__file__).resolve().parent.parent
    environment = read_json(run.folder / "environment.json")
    write_json(run.folder / "environment.json", {**environment, "code_hash": code_hash(root, imported_files(root))})
