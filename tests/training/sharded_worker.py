"""One of the processes that make the same tiny runs in shards: sharded_worker.py FOLDER CASES.json

A case is a run's name, its options, and where it has them: `stop`, the step in which the last process is told to stop,
`full`, the checkpoint at which its disk is full, and `after`, a file to wait for. In float64, so that the order of sums
hardly shows.
"""

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.distributed.checkpoint import HuggingFaceStorageWriter

sys.path.insert(0, str(Path(__file__).parents[2]))

import train
from system.errors import UserError
from tests.training.conftest import BATCHES, NETWORK
from tests.training.parallel_worker import STAND_INS, own_store

PATIENCE = 240  # seconds until the other processes must have come so far


def stopping(at):
    """A `take_step` in which the last process is told to stop."""
    take_step = train.take_step

    def step(run, *rest):
        if run.position.step == at and run.ranks.rank == run.ranks.world - 1:
            signal.raise_signal(signal.SIGTERM)
        return take_step(run, *rest)

    return step


def full_disk(at):
    """A `write_data` of checkpoints that finds the last process's disk full at one of them."""
    write_data = HuggingFaceStorageWriter.write_data

    def write(self, *rest):
        if f"step-{at}." in str(self.path) and distributed.get_rank() == distributed.get_world_size() - 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_data(self, *rest)

    return write


def make(folder, number, case):
    """Make, or go on with, one run; its exit status, or its error, is left in a file."""
    deadline = time.monotonic() + PATIENCE
    while "after" in case and not (folder / case["after"]).exists():
        assert time.monotonic() < deadline, case
        time.sleep(0.1)
    with pytest.MonkeyPatch.context() as patch:
        for stood_for, stand_in in {**STAND_INS, "join": own_store(f"{number}")}.items():
            patch.setattr(train, stood_for, stand_in)
        patch.setattr("training.run.record.imported_files", lambda _: [])  # slower than the training here
        if "stop" in case:
            patch.setattr(train, "take_step", stopping(case["stop"]))
        if "full" in case:
            patch.setattr(HuggingFaceStorageWriter, "write_data", full_disk(case["full"]))
        try:
            status = train.main(["files", *BATCHES, *NETWORK, *case["options"], "--run", str(folder / case["run"])])
        except UserError as error:
            status = error
    (folder / f"{number}-{os.environ['RANK']}-of-{os.environ['WORLD_SIZE']}").write_text(str(status))


if __name__ == "__main__":
    os.environ.pop("CI_STEPS", None)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    for number, case in enumerate(json.loads(Path(sys.argv[2]).read_text())):
        make(folder, number, case)
