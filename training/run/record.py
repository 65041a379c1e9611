"""The records of a run folder beside its settings: environment.json and budget.json."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from system.atomic_files import write_json
from system.errors import UserError
from system.from_disk import Table, checked, read_typed
from system.platform import peak_memory_mib
from training.corpus import Corpus
from training.fine_tuning import fine_tuning_corpus
from training.mixture import import_objectives
from training.pretrained import weights_hash
from training.run.budget import COUNTERS
from training.run.checkpoints import Checkpoint, find_checkpoint
from training.run.code_hash import code_hash, imported_files
from training.run.environment import describe_environment
from training.run.folder import SCORES_FILE, truncate_metrics
from training.run.load import added_ids, load_network
from training.run.state import Run


@dataclass
class Environment:
    """The types of what a run that goes on uses of environment.json."""

    data: dict[str, Any]  # phase -> facts of its data
    teacher_sha256: str | None = None
    init_sha256: str | None = None


def write_environment(run: Run, corpora: dict[str, Corpus]) -> None:
    """Write versions, machine, threads, seed, and hashes of data, teacher and the checkpoint that the run begins with.

    A run that goes on keeps the command and the date it was started with. Raises UserError where its training data or
    its teacher have changed since: the rest of its steps would not be those of an uninterrupted run.
    """
    about = {name: corpus.about for name, corpus in corpora.items()}
    for name in corpora:  # also of a phase that an earlier command has finished: the code hash is of the whole run
        import_objectives(getattr(run.settings, name).objectives, run.settings.strategies.auxiliary.task)
    content = describe_environment(
        run.settings.seed,
        run.device,
        data=about,
        data_hash=about["training"]["data_hash"],
        parameters=sum(weight.numel() for weight in run.model.parameters()),
        processes=run.n_processes,
    )

    teacher = run.settings.strategies.teacher.run
    if teacher:
        content["teacher_sha256"] = weights_hash(Path(teacher))

    path = run.folder / "environment.json"
    if path.exists():
        before = read_typed(path, Table)
        checked(before, Environment, path)
        if before.get("teacher_sha256") != content.get("teacher_sha256"):
            raise UserError(f"the weights in {teacher} are not those that {run.folder} was begun with; bring them back")
        names = {**before["data"], **about}
        changed = [name for name in names if not is_same(before["data"].get(name), corpora.get(name))]
        if changed:
            raise UserError(
                f"the data of {changed[0]} are not those that {run.folder} was started with; bring them back, or start "
                "again with --overwrite"
            )
        content |= {name: before[name] for name in ("command", "date", "init_sha256") if name in before}
    elif run.settings.init.from_:
        content["init_sha256"] = weights_hash(Path(run.settings.init.from_))
    write_json(path, content)


def is_same(before: dict[str, Any] | None, corpus: Corpus | None) -> bool:
    """Whether a corpus is the one of which the facts `before` were written down, by this code or by older code."""
    if before is None or corpus is None:
        return False
    about = json.loads(json.dumps(corpus.about))
    if "pairs_hash" not in before and about.pop("pairs_hash", None):
        about |= {"data_hash": corpus.older_hash}
    return before == about


def begin(run: Run, corpora: dict[str, Corpus], resume: bool) -> Checkpoint | None:
    """Load the weights that the run begins with, or the checkpoint from which it resumes. Raises UserError.

    The corpora are now as they are learnt.
    """
    corpora["training"] = fine_tuning_corpus(run, corpora["training"])
    checkpoint = find_checkpoint(run.folder) if resume else None
    if checkpoint is not None:
        if checkpoint.position.phase not in corpora:
            raise UserError(
                f"{checkpoint.folder / 'state.json'} stands in phase {checkpoint.position.phase!r}, this run has "
                f"{' and '.join(corpora)}; delete that checkpoint, and --resume takes the one before it"
            )
        run.position = checkpoint.position
        run.earlier_seconds = checkpoint.position.counters.get("wall_seconds", 0.0)
    elif run.settings.init.from_:
        begin_from_checkpoint(run)
    if run.writes:
        truncate_metrics(run.folder, checkpoint.metrics_bytes if checkpoint else 0)
    return checkpoint


def begin_from_checkpoint(run: Run) -> None:
    """Give the network the weights of the checkpoint that the run begins with. Raises UserError.

    A run that was stopped before its first own checkpoint has to find the same ones again.
    """
    folder = Path(run.settings.init.from_)
    if weights_hash(folder) != read_typed(run.folder / "environment.json", Table).get("init_sha256"):
        raise UserError(f"the weights in {folder} are not those that {run.folder} was begun with; bring them back")
    new_ids = added_ids(run.tokenizer, folder) if run.settings.data.add_pieces else ()
    load_network(run.model, folder, new_ids, run.settings.seed)


def finish_record(run: Run) -> None:
    """Record the end of training: the budget, the hash of the code that was imported, and the command that may follow.

    A run that only pretrains has learnt nothing that could be scored, and ends here.
    """
    write_budget(run)
    root = Path(__file__).resolve().parents[2]
    environment = read_typed(run.folder / "environment.json", Table)
    write_json(run.folder / "environment.json", {**environment, "code_hash": code_hash(root, imported_files(root))})
    said = f"trained; to score again: python eval.py --run {run.folder}"
    if not run.settings.fine_tunes:
        write_json(run.folder / SCORES_FILE, {})
        said = f"pretrained; fine-tune it with: python train.py {run.settings.corpus} --init.from {run.folder}"
    print(said, file=sys.stderr)


def sum_memory(run: Run) -> None:
    """At the end of training, note the memory of the processes that trained together; all have to come here."""
    if run.ranks is not None:
        run.memory_of_others = run.ranks.total(peak_memory_mib())[0] - peak_memory_mib()


def write_budget(run: Run) -> None:
    """Write the cost of the run so far, when it is trained and again when it is scored."""
    counters = run.position.counters
    budget = {name: counters.get(name, 0) for name in COUNTERS}
    more = {"wall_seconds": run.wall_seconds, "peak_memory_mib": peak_memory_mib() + run.memory_of_others}
    write_json(run.folder / "budget.json", budget | more)
