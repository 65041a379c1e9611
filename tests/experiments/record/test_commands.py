from importlib.util import find_spec

import pytest

from experiments.record.commands import MOVED, todays_command


@pytest.mark.parametrize("old", MOVED)
def test_a_recorded_command_is_printed_as_it_is_typed_today(old):
    command = f"CI_STEPS=20 python -m {old} --seed 1"
    assert todays_command(command) == f"CI_STEPS=20 python -m {MOVED[old]} --seed 1"
    assert find_spec(MOVED[old]) is not None


def test_other_commands_stay():
    for command in ("python train.py django", "python -m experiments.ablate pieces", ""):
        assert todays_command(command) == command
