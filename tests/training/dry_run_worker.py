"""One of two processes that really train for a step, in copies and in shards: what it needs, as JSON on its output."""

import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed

import train
from tests.training.conftest import corpora
from training.dry_run import longest_batch, size_of
from training.optimizer import make_optimizer
from training.sharded import BatchLoss, share

GIVEN = Counter()  # operation -> bytes


def counted(name, operation):
    """An operation of torch.distributed whose largest tensor is counted."""

    def call(*arguments, **named):
        tensors = [value for value in (*arguments, *named.values()) if isinstance(value, torch.Tensor)]
        GIVEN[name] += max(tensor.numel() * tensor.element_size() for tensor in tensors)
        return operation(*arguments, **named)

    return call


def needed(model, optimizer, given):
    state = [value for of_weight in optimizer.state.values() for value in of_weight.values()]
    weights = list(model.parameters())
    gradients = size_of([weight.grad for weight in weights])
    return {"parameters": size_of(weights), "gradients": gradients, "optimizer": size_of(state), "exchanged": given}


def copies(options, folder):
    """A run of train.py whose every step is measured; the last one is returned."""
    found, take_step = [], train.take_step

    def step(run, phase, *rest):
        GIVEN.clear()
        values = take_step(run, phase, *rest)
        found.append(needed(run.model, phase.optimizer, dict(GIVEN)))
        return values

    with pytest.MonkeyPatch.context() as patch:
        stand_ins = {"take_step": step, "read_corpora": corpora, "evaluate_run": lambda *_: None,
                     "show_results": lambda *_: None, "with_language": lambda settings: settings}  # fmt: skip
        for name, stand_in in stand_ins.items():
            patch.setattr(train, name, stand_in)
        assert not train.main(["files", *options, "--parallel.mode", "copies", "--run", folder])
    return found[-1]


def shards(options, folder):
    """One step in shards of that run's network."""
    settings, _, _ = train.read_training_command(train.Settings, ["files", *options], None)
    size = json.loads(Path(folder, "config.json").read_text())["model"]["vocab_size"]
    model = train.make_network(replace(settings.model, vocab_size=size), 0)
    share(loss := BatchLoss(model), distributed.init_device_mesh("cpu", (2,)))
    optimizer = make_optimizer(model, settings.training)
    GIVEN.clear()
    loss(longest_batch(settings.data, torch.device("cpu")), 0.1)[0].backward()
    optimizer.step()
    return needed(model, optimizer, dict(GIVEN))


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.environ.pop("CI_STEPS", None)
    gathers, scatters = "all_gather_single", "reduce_scatter_single"
    if not hasattr(distributed, gathers):  # PyTorch's older names
        gathers, scatters = "all_gather_into_tensor", "reduce_scatter_tensor"
    for name, operation in (
        ("allreduce", "all_reduce"), ("allgather_base", gathers), ("reduce_scatter_base", scatters)
    ):  # fmt: skip
        setattr(distributed, operation, counted(name, getattr(distributed, operation)))
    folder, *options = sys.argv[1:]
    found = {"copies": copies(options, folder), "shards": shards(options, folder)}
    print("\n" + json.dumps(found))
