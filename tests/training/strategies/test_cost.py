"""What a step of strategies costs, against what torch counts while one runs."""

from types import SimpleNamespace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from data.batches import collate
from training.config import LoopConfig, ObjectivesConfig
from training.fine_tuning import Strategies, gradient_of
from training.mixture import Mixture
from training.strategies.config import AdversaryConfig, AuxiliaryConfig, LayersConfig, StrategiesConfig
from training.strategies.cost import step_flops

LOOP = LoopConfig(label_smoothing=0.0)


def run_of(model, strategies):
    """As much of a run as its strategies ask for."""
    settings = SimpleNamespace(strategies=strategies, model=model.config)
    return SimpleNamespace(model=model, settings=settings, device=torch.device("cpu"))


def counted(model, batch, strategies):
    """What torch counts in all forward and backward passes of the first step."""
    model.requires_grad_(True)
    model.zero_grad(set_to_none=True)
    with FlopCounterMode(display=False) as counter:
        phase = Strategies(run_of(model, strategies), LOOP)
        gradient = phase.gradient() or gradient_of(phase.loss(), lambda _: (1.0,), phase.run, LOOP)  # the plain one
        gradient(batch, 1)
    return counter.get_total_flops()


def one_pair(tokenizer, examples, strategies):
    """A batch without padding, and the task beside it where there is one."""
    mixture = Mixture(ObjectivesConfig(), tokenizer, 0, examples, strategies=strategies)
    (item, example), = mixture.items(examples[0], 0)
    return collate([item], [example.id], tokenizer)


MORE = [
    {}, *({"adversary": AdversaryConfig(name)} for name in ("fgm", "freelb", "noise")),
    *({"auxiliary": AuxiliaryConfig(name)} for name in ("mlm", "tag")),
]  # fmt: skip


@pytest.fixture
def model(make_model):
    return make_model(speed="readable", d_model=64, d_ff=128, tie_embeddings=False, mlm_head=True, tag_head=True)


@pytest.mark.parametrize("more", MORE, ids=str)
def test_all_passes_and_the_task_beside_count(model, tokenizer, examples, more):
    strategies = StrategiesConfig(**more)
    batch = one_pair(tokenizer, examples, strategies)
    said = step_flops(model.config, batch, strategies, 1)
    assert said == pytest.approx(counted(model, batch, strategies), rel=0.03)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("more", MORE, ids=str)
def test_what_frozen_layers_spare(model, tokenizer, examples, k, more):
    plain, frozen = (StrategiesConfig(LayersConfig(last), **more) for last in (0, k))
    batch = one_pair(tokenizer, examples, plain)
    spared = counted(model, batch, plain) - counted(model, batch, frozen)
    said = step_flops(model.config, batch, plain, 1) - step_flops(model.config, batch, frozen, 1)
    assert said == pytest.approx(spared, rel=0.2)
