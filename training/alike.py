"""What has to be the same in all processes that train one network: code, settings, data, the folder, the weights.

    check_start      before the run's folder is opened: code, settings, data, versions of PyTorch
    check_folder     all processes see the folder that the first one writes
    check_weights    at each checkpoint: all processes have the same weights

The processes of `python train.py` are on one machine and read the same files: only weights are compared there.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
import zlib
from pathlib import Path

import torch
from torch import nn

from system.errors import UserError
from training.command_line import MAY_CHANGE
from training.corpus import Corpus
from training.processes import STORE
from training.run.code_hash import imported_files
from training.run.old_settings import flat
from training.run.settings_file import to_dict
from training.run.state import Run

ROOT = Path(__file__).resolve().parents[1]
DELAY = 10.0  # seconds in which a new file is seen by other machines
MENDS = {
    "code": "give all machines the same commit", "settings": "start all processes with the same options",
    "data": "give all machines the same data", "versions": "install the same versions everywhere",
}  # fmt: skip


def check_start(run: Run, corpora: dict[str, Corpus]) -> None:
    """Refuse, in the first process, what another one has otherwise. Raises UserError."""
    ranks = run.ranks
    if ranks is None or STORE in os.environ:
        return
    ranks.store.set(f"facts {ranks.rank}", json.dumps(facts_of(run, corpora)))
    if not ranks.first:
        return
    for other in range(ranks.world):
        ranks.await_key(f"facts {other}")
        own, theirs = (json.loads(ranks.store.get(f"facts {rank}")) for rank in (0, other))
        if difference := difference_of(own, theirs):
            raise UserError(f"process {other} of {ranks.world} on {theirs['host']} has other {difference}")


def facts_of(run: Run, corpora: dict[str, Corpus]) -> dict[str, str | dict[str, str]]:
    """What is compared: kind -> name -> value."""
    settings = {name: str(value) for name, value in flat(to_dict(run.settings)).items() if name not in MAY_CHANGE}
    code = {str(file.relative_to(ROOT)): digest_of(file) for file in imported_files(ROOT)}
    data = {name: json.dumps(corpus.about, sort_keys=True) for name, corpus in corpora.items()}
    versions = {"PyTorch": torch.__version__}
    return {"host": socket.gethostname(), "versions": versions, "code": code, "settings": settings, "data": data}


def difference_of(own: dict, theirs: dict) -> str:
    """The first difference between the facts of two processes, and its mend; "" for none.

    Of the code those files count that both have loaded: one process may find in a cache what another one makes.
    """
    for kind, mend in MENDS.items():
        names = own[kind].keys() & theirs[kind].keys() if kind == "code" else own[kind].keys() | theirs[kind].keys()
        for name in sorted(names):
            here, there = own[kind].get(name), theirs[kind].get(name)
            if here != there:
                values = f" ({there} there, {here} in process 0)" if kind in ("settings", "versions") else ""
                return f"{kind} than process 0: {name}{values}; {mend}"
    return ""


def digest_of(file: Path) -> str:
    """16 hexadecimal digits over a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def check_folder(run: Run) -> None:
    """Refuse storage that not all machines see: the first process writes a file, the others look. Raises UserError."""
    ranks, logs = run.ranks, run.folder / "logs"
    if STORE in os.environ or ranks.world == 1:
        return
    if ranks.first:
        logs.mkdir(exist_ok=True)
        token = logs / f"seen-{uuid.uuid4().hex}"
        token.touch()
        ranks.store.set("token", token.name)
        for other in range(1, ranks.world):
            ranks.await_key(f"sees {other}")
        token.unlink()
        return
    ranks.await_key("token")
    token, until = logs / ranks.store.get("token").decode(), time.monotonic() + DELAY
    while not token.is_file():
        if time.monotonic() > until:
            raise UserError(
                f"process {ranks.rank} of {ranks.world} on {socket.gethostname()} does not see what process 0 writes "
                f"in {run.folder}; give all of them a --run on storage that all machines share"
            )
        time.sleep(0.1)
    ranks.store.set(f"sees {ranks.rank}", "")


def check_weights(run: Run) -> None:
    """Refuse, in all processes, weights that are no longer the same in all of them. Raises UserError."""
    ranks = run.ranks
    if ranks is None or ranks.world == 1 or run.settings.parallel.mode != "copies":
        return
    own = checksum(run.model)
    sums = ranks.total(*(own if rank == ranks.rank else 0 for rank in range(ranks.world)))
    for other, found in enumerate(sums):
        if found != sums[0]:
            raise UserError(
                f"process {other} of {ranks.world} has other weights than process 0 after step "
                f"{run.position.total_step}: one of them computes wrongly; --resume goes on from the last checkpoint"
            )


def checksum(model: nn.Module) -> int:
    """CRC-32 of all weights, in order."""
    value = 0
    for weight in model.parameters():
        value = zlib.crc32(weight.detach().cpu().flatten().view(torch.uint8).numpy(), value)
    return value
