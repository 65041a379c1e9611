"""A learning-rate range test (Smith 2017, section 3.3): the rate grows a little every step, and the loss tells.

    python -m experiments.range_test
    python -m experiments.range_test --steps 300 --plot range.png -- django --data.path FOLDER --model.d_model 128

What stands behind -- is as for train.py. The rate grows from --lowest to --highest by the same factor every step, until
the loss is twice the least so far. The rate at which it falls fastest is a good peak for a schedule without warm-up,
the rate of the least loss is already too large. Nothing is kept but what --json and --plot ask for.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import train
from experiments.record.cells import as_text
from experiments.record.measurement import check_writable, write_rows
from model.fast import make_network
from system.device import find_device, keep_freed_memory, seed_everything, set_threads
from system.errors import UserError
from system.options import parse, run_and_report
from system.trial import step_cap
from training.command_line import read_training_command
from training.corpus import read_corpora
from training.first_tokenizer import first_tokenizer
from training.phase import next_step, start_phase
from training.run.checkpoints import Position
from training.run.load import added_ids, load_network
from training.run.state import Run

SMOOTHING = 0.9  # of the loss: an exponential mean
STOP_AT = 2.0  # times the least loss so far
WINDOW = 10  # steps over which the fall is taken


@dataclass(frozen=True)
class Settings:
    """The range."""

    steps: int = 200  # steps from the lowest to the highest rate
    lowest: float = 1e-6  # rate of the first step
    highest: float = 1.0  # rate of the last
    plot: Path | None = None  # file for the picture (png or svg)
    json: Path | None = None  # file for the points


def rate_at(step: int, settings: Settings) -> float:
    """The learning rate of a step, from 0 on."""
    return settings.lowest * (settings.highest / settings.lowest) ** (step / max(1, settings.steps - 1))


def run_test(settings: Settings, training: train.Settings) -> list[tuple[float, float]]:
    """(rate, smoothed loss) of every step until the loss explodes."""
    device = find_device(training.device)
    set_threads(training.threads)
    keep_freed_memory()
    seed_everything(training.seed)

    corpus = (corpora := read_corpora(training))["training"]
    tokenizer = first_tokenizer(training, corpora)
    training = replace(training, model=replace(training.model, vocab_size=tokenizer.vocab_size))
    model = make_network(training.model, tokenizer.pad_id)
    if training.init.from_:
        folder = Path(training.init.from_)
        new_ids = added_ids(tokenizer, folder) if training.data.add_pieces else ()
        load_network(model, folder, new_ids, training.seed)
    model.to(device).train()

    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), training, device, tokenizer, model, Position("training"), time.monotonic())
        phase = start_phase(run, "training", training.training, corpus, None)
        points: list[tuple[float, float]] = []
        mean, least = 0.0, math.inf
        for step in range(settings.steps):
            rate = rate_at(step, settings)
            loss, _ = train.take_step(run, phase, next_step(run, phase), rate)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            smoothed = mean / (1 - SMOOTHING ** (step + 1))
            if not math.isfinite(smoothed) or smoothed > STOP_AT * least:
                break
            least = min(least, smoothed)
            points.append((rate, smoothed))
    return points


def fastest_fall(points: list[tuple[float, float]]) -> float | None:
    """The rate in the middle of the WINDOW steps over which the loss falls most; None where it does not, or too few."""
    falls = [points[i][1] - points[i + WINDOW][1] for i in range(len(points) - WINDOW)]
    if max(falls, default=0.0) <= 0:
        return None
    return points[max(range(len(falls)), key=falls.__getitem__) + WINDOW // 2][0]


def plot(points: list[tuple[float, float]], best: float | None, file: Path) -> None:
    """Loss against rate, and the rate that is proposed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
    axis.plot(*zip(*points, strict=True), color="#4c72b0")
    if best is not None:
        axis.axvline(best, color="#c44e52", linestyle="--", label=f"falls fastest at {best:.1e}")
        axis.legend(frameon=False)
    axis.set_xscale("log")
    axis.set_xlabel("learning rate")
    axis.set_ylabel("smoothed training loss, nats a token")
    axis.grid(alpha=0.3)
    figure.savefig(file)
    pyplot.close(figure)


def read(arguments: list[str]) -> tuple[Settings, Any]:
    """The settings of the test, and those of train.py, which stand behind the first --. Raises UserError."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    ours, theirs = arguments[:place], arguments[place + 1 :]
    settings = parse(Settings, ours, Settings(), __doc__.splitlines()[0], "python -m experiments.range_test")
    if not 0 < settings.lowest < settings.highest:
        raise UserError(f"--lowest {settings.lowest} must be above 0 and below --highest {settings.highest}")
    if settings.steps < 2:
        raise UserError(f"--steps {settings.steps} must be at least 2")
    check_writable(settings.json)
    check_writable(settings.plot)
    cap = step_cap()
    settings = replace(settings, steps=min(settings.steps, cap)) if cap else settings
    return settings, read_training_command(train.Settings, theirs, train.__doc__)[0]


def main(arguments: list[str]) -> int:
    """Run the test, print the proposed rate, and plot the loss."""
    settings, training = read(arguments)
    points = run_test(settings, training)
    if not points:
        raise UserError(f"the loss was not finite at the first rate, {settings.lowest}; lower --lowest")
    best = fastest_fall(points)
    shown = points[:: max(1, len(points) // 12)]
    print(as_text(["learning rate", "smoothed loss"], [[f"{rate:.2e}", f"{loss:.3f}"] for rate, loss in shown]))
    least = min(points, key=lambda point: point[1])
    fall = f"falls fastest at {best:.1e}" if best else "it does not fall, or there are too few steps"
    print(f"least loss {least[1]:.3f} at {least[0]:.1e}; {fall}")
    if settings.plot is not None:
        plot(points, best, settings.plot)
    write_rows(settings.json, [{"rate": rate, "loss": loss} for rate, loss in points])
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
