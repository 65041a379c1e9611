"""Where the figures of a run go while it trains: metrics.jsonl, and what shows many runs on one page beside it.

metrics.jsonl is the truth. `--tracking tensorboard` writes the same figures into the run's folder tensorboard/, which
can be deleted at any time; `tensorboard --logdir runs` shows them, and nothing leaves this machine.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from system.errors import UserError
from training.run.folder import append_metrics

if TYPE_CHECKING:
    from training.recipes import TrainingSettings
    from training.run.state import Run


def check_tracking(settings: TrainingSettings) -> None:
    """Refuse a tracker that is not installed. Raises UserError."""
    if settings.tracking == "tensorboard" and find_spec("tensorboard") is None:
        raise UserError("--tracking tensorboard needs tensorboard; pip install -e '.[tracking]', or leave it out")


def write_metrics(run: Run, phase: str, **figures: float) -> None:
    """Write figures of where the run stands. Raises UserError on a full disk."""
    if run.writes:
        append_metrics(run.folder, {"phase": phase, "step": run.position.total_step, **figures})
        if run.settings.tracking == "tensorboard":
            write_events(run, phase, figures)


def write_events(run: Run, phase: str, figures: dict[str, float]) -> None:
    """Write figures for TensorBoard, each as phase/name. Raises UserError on a full disk."""
    step = run.position.total_step
    try:
        if run.events is None:
            from torch.utils.tensorboard import SummaryWriter  # takes seconds to load

            # What a run that was killed has written beyond its last checkpoint is not shown.
            run.events = SummaryWriter(str(run.folder / "tensorboard"), purge_step=step)
        for name, value in figures.items():
            run.events.add_scalar(f"{phase}/{name}", value, step)
        run.events.flush()
    except OSError as error:
        raise UserError(f"{run.folder / 'tensorboard'} could not be written ({error}); free some space") from error
