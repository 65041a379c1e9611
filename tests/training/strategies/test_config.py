"""The settings of strategies are read by every command, and take no strategy with them."""

import subprocess
import sys

import pytest

from training.strategies.config import (
    AdversaryConfig,
    AuxiliaryConfig,
    LayersConfig,
    LoraConfig,
    MetaConfig,
    StrategiesConfig,
    TasksConfig,
    TeacherConfig,
)

SAY = "import sys, training.strategies.config; print(*(name for name in sys.modules if name[:9] == 'training.'))"
ALL = (AdversaryConfig, AuxiliaryConfig, LayersConfig, LoraConfig, MetaConfig, TasksConfig, TeacherConfig)


def test_settings_import_no_strategy_and_no_network():
    done = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["training.strategies", "training.strategies.config"]


@pytest.mark.parametrize("kind", ALL)
def test_every_strategy_has_settings_of_its_own_that_are_off(kind):
    assert list(vars(StrategiesConfig()).values()).count(kind()) == 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: LoraConfig(rank=-1), "strategies.lora.rank=-1 must be at least 0"),
        (lambda: LayersConfig(decay=0.0), "strategies.layers.decay=0.0 must be above 0 and at most 1"),
        (lambda: AuxiliaryConfig(weight=-0.5), "strategies.auxiliary.weight=-0.5 must be at least 0"),
        (lambda: AdversaryConfig(ascents=0), "strategies.adversary.ascents=0 must be at least 1"),
        (lambda: MetaConfig(inner_steps=0), "strategies.meta.inner_steps=0 must be at least 1"),
        (lambda: TasksConfig(temperature=0.5), "strategies.tasks.temperature=0.5 must be at least 1"),
        (lambda: TeacherConfig(weight=2.0), "strategies.teacher.weight=2.0 must be a share from 0 to 1"),
        (lambda: StrategiesConfig(perturb=2.0), "strategies.perturb=2.0 must be a share from 0 to 1"),
        (lambda: StrategiesConfig(average_checkpoints=-1), "strategies.average_checkpoints=-1 must be at least 0"),
    ],
)
def test_a_wrong_value_is_named_in_full(made, said):
    with pytest.raises(ValueError) as error:
        made()
    assert str(error.value) == said
