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
BETWEEN_CASES = {"join": train.join}


def own_store(name):
    """A `join` for one case: what processes have told each other in an earlier one does not count."""

    def join(config):
        ranks = BETWEEN_CASES["join"](config)
        return ranks and Ranks(ranks.rank, ranks.world, distributed.PrefixStore(name, ranks.store))

    return join


def main(folder, cases):
    torch.set_num_threads(1)
    for name, options in cases.items():
        torch.set_default_dtype(torch.float32 if name == "float32" else torch.float64)
        with pytest.MonkeyPatch.context() as patch:
            for stood_for, stand_in in {**STAND_INS, "join": own_store(name)}.items():
                patch.setattr(train, stood_for, stand_in)
            patch.setattr("training.run.record.imported_files", lambda _: [])  # slower than the training here
            status = train.main(["files", *BATCHES, *NETWORK, *options, "--run", str(folder / name)])
        if status:
            sys.exit(f"{name}: status {status}")


if __name__ == "__main__":
    os.environ.pop("CI_STEPS", None)
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
