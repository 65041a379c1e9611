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


def test_the_folder_that_data_were_read_from_is_a_word():
    for written in ("--data.path ../shared/data/django", "--data.path PATH", "--data.path=PATH"):
        command = f"python train.py django {written} --evaluation.beam 4"
        assert todays_command(command) in (
            "python train.py django --data.path FOLDER --evaluation.beam 4",
            "python train.py django --data.path=FOLDER --evaluation.beam 4",
        )
    assert todays_command("python -m x --data_path PATH") == "python -m x --data_path FOLDER"
