"""What shows a run beside metrics.jsonl: the same figures, and nothing where it is off."""

import json
from types import SimpleNamespace

import pytest

from system.errors import UserError
from training import tracking
from training.run.state import Run
from training.tracking import check_tracking, write_metrics


def run_with(folder, kind, writes=True):
    position, settings = SimpleNamespace(total_step=0), SimpleNamespace(tracking=kind)
    ranks = None if writes else SimpleNamespace(first=False)
    return Run(folder, settings, None, None, None, position, 0.0, ranks=ranks)


def write_lines(run, steps):
    for step in steps:
        run.position.total_step = step
        write_metrics(run, "training", loss=4.0 - step / 100, learning_rate=0.5)


def test_tensorboard_shows_the_figures_of_metrics_and_not_those_beyond_a_checkpoint(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write_lines(run_with(tmp_path, "tensorboard"), (20, 40, 60))
    write_lines(run_with(tmp_path, "tensorboard"), (40, 60))  # killed, and gone on with from step 20
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0] == {"phase": "training", "step": 20, "loss": 3.8, "learning_rate": 0.5}
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["training/loss", "training/learning_rate"]
    shown = [(event.step, round(event.value, 6)) for event in events.Scalars("training/loss")]
    assert shown == [(20, 3.8), (40, 3.6), (60, 3.4)]


@pytest.mark.parametrize(("kind", "writes", "made"), [("none", True, ["metrics.jsonl"]), ("tensorboard", False, [])])
def test_what_is_off_and_who_is_not_the_first_process_write_no_events(tmp_path, kind, writes, made):
    write_lines(run_with(tmp_path, kind, writes), (20,))
    assert [file.name for file in tmp_path.iterdir()] == made


def test_a_tracker_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    check_tracking(SimpleNamespace(tracking="none"))
    with pytest.raises(UserError, match=r"pip install -e '\.\[tracking\]'"):
        check_tracking(SimpleNamespace(tracking="tensorboard"))
