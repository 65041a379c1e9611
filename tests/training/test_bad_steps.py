"""A loss that is not finite costs its step and nothing else, and a run that is lost says on which examples."""

import json

import pytest

from system.errors import UserError

OPTIONS = """--training.steps 8 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 1
    --training.keep_checkpoints 9 --training.ema_decay 0.9 --training.max_bad_steps 3""".split()


def test_a_step_whose_loss_is_not_finite_changes_nothing_and_is_counted(run, tmp_path):
    assert run(tmp_path, OPTIONS, poison=(3,)) == 0

    def saved(step, name):
        return (tmp_path / "checkpoints" / f"step-{step}" / f"{name}.safetensors").read_bytes()

    for name in ("model", "optimizer", "average"):
        assert saved(3, name) == saved(2, name)
        assert saved(4, name) != saved(3, name)
    budget = json.loads((tmp_path / "budget.json").read_text())
    assert (budget["steps"], budget["skipped_steps"]) == (8, 1)


def test_too_many_in_a_row_stop_the_run_and_leave_the_ids_of_the_batch(run, tmp_path):
    with pytest.raises(UserError, match="bad_batches.json") as error:
        run(tmp_path, OPTIONS, poison=range(4, 9))
    assert "\n" not in str(error.value)
    (ids,) = json.loads((tmp_path / "bad_batches.json").read_text())
    assert len(ids) == 4 and all(name.startswith("pairs:") for name in ids)
    assert (tmp_path / "checkpoints" / "step-5").is_dir()


def test_as_many_that_are_not_in_a_row_do_not(run, tmp_path):
    assert run(tmp_path, OPTIONS, poison=(1, 2, 4, 5, 7, 8)) == 0
