"""The tables of docs/scaling.md are the command's, and its arithmetic is what a dry run counts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.config import DataConfig
from experiments.studies import scaling
from model.fast import make_network
from training.config import LoopConfig, ParallelConfig
from training.dry_run import needs
from training.recipes import TrainingSettings

PAGE = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text(encoding="utf-8")
SMALL = replace(scaling.network(64, 128, 2, 3), vocab_size=500)


@pytest.mark.slow
def test_the_page_holds_what_the_command_prints():
    assert scaling.tables() in PAGE


def test_parameters_are_those_of_the_network():
    sizes, model = scaling.sizes_of(SMALL), make_network(SMALL, 0)
    assert sizes.all == sum(weight.numel() for weight in model.parameters())
    assert sizes.largest == sum(weight.numel() for weight in model.decoder[0].parameters())


@pytest.mark.slow
@pytest.mark.parametrize("mode", scaling.MODES)
def test_the_arithmetic_of_a_step_is_what_a_dry_run_of_all_layers_counts(mode, monkeypatch):
    monkeypatch.setattr(scaling, "DATA", DataConfig(max_source_length=32, max_target_length=32, batch_tokens=256))
    settings = TrainingSettings(model=SMALL, data=scaling.DATA, parallel=ParallelConfig(recompute=True))
    found = needs(settings, LoopConfig(bf16=True, accumulate=16), 8, torch.device("cpu"), mode == "shards")
    plan = scaling.MODES[mode](SMALL, 8)
    n_batches = 2 if mode == "shards" else 1  # shards exchange with each batch
    assert n_batches * plan.sent == pytest.approx(found.sent, rel=0.01)
    assert 0.95 * found.peak < plan.memory < 1.2 * found.peak  # what is not there at the same moment is added
    if mode == "copies":
        assert scaling.activations(SMALL, True) == found.activations


def test_copies_wait_for_an_exchange_and_shards_compute_meanwhile():
    copies, shards = scaling.Plan(0, 0, hides=False), scaling.Plan(0, 0, hides=True)
    assert copies.share_computing(3, 1) == 0.75 and shards.share_computing(3, 1) == 1
    assert shards.share_computing(1, 4) == 0.25
