"""One of the processes that make the same tiny runs together: parallel_worker.py FOLDER CASES.json

In float64, so that the order of sums hardly shows, but for the case float32. Alone where the environment names no rank.
"""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

sys.path.insert(0, str(Path(__file__).parents[2]))

import train
from tests.training.conftest import BATCHES, NETWORK, corpora
from training.parallel import Ranks

STAND_INS = {
    "evaluate_run": lambda *_: None, "read_corpora": corpora, "show_results": lambda *_: None,
    "with_language": lambda settings: settings,
}  # fmt: skip
BAD_STEP = "a bad step"  # the case in which one batch's loss is not finite
BETWEEN_CASES = {"join": train.join}


def own_store(name):
    """A `join` for one case: what processes have told each other in an earlier one does not count."""

    def join(config):
        ranks = BETWEEN_CASES["join"](config)
        return ranks and Ranks(ranks.rank, ranks.world, distributed.PrefixStore(name, ranks.store))

    return join


def poison(patch):
    """Let the second batch of the second step have no finite loss."""
    take_step, batch_loss, step = train.take_step, train.batch_loss, [0]

    def noted(run, *rest):
        step[0] = run.position.total_step
        return take_step(run, *rest)

    def poisoned(model, batch, *rest):
        loss, n = batch_loss(model, batch, *rest)
        return loss * (torch.nan if model.training and (step[0], batch.number) == (2, 1) else 1.0), n

    patch.setattr(train, "take_step", noted)
    patch.setattr(train, "batch_loss", poisoned)


def main(folder, cases):
    torch.set_num_threads(1)
    for name, options in cases.items():
        torch.set_default_dtype(torch.float32 if name == "float32" else torch.float64)
        with pytest.MonkeyPatch.context() as patch:
            for stood_for, stand_in in {**STAND_INS, "join": own_store(name)}.items():
                patch.setattr(train, stood_for, stand_in)
            if name == BAD_STEP:
                poison(patch)
            patch.setattr("training.run.record.imported_files", lambda _: [])  # slower than the training here
            status = train.main(["files", *BATCHES, *NETWORK, *options, "--run", str(folder / name)])
        if status:
            sys.exit(f"{name}: status {status}")


if __name__ == "__main__":
    os.environ.pop("CI_STEPS", None)
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
