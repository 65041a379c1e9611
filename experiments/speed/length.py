"""Time and memory of a training step against length and width, and what the FLOP count alone would have it be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from experiments.speed.rows import Row
from experiments.speed.shape import Shape, step_flops
from experiments.speed.turns import Job, take_turns

SOURCE_LENGTHS = (128, 256, 512, 1024, 2048)  # tokens of a source, and as many of its target
WIDTHS = (64, 128, 256, 512, 1024)  # d_model; d_ff is four times as wide, a head 64 (32 in the narrowest)
PAIRS_A_LENGTH = 2  # pairs at each length
STEPS_A_TURN = 1


@dataclass(frozen=True)
class Point:
    """One measured size."""

    size: int  # the length, or the width
    seconds: float  # of a step
    memory_mib: float  # peak above what the imports take
    at_peak: float  # seconds of the step's FLOPs at oneDNN's GEMM peak


def measure_length(settings: Any) -> list[Row]:
    """Three series, each point in a process of its own."""
    lengths = [
        replace(settings.shape, batch=PAIRS_A_LENGTH, source_length=n, target_length=n, max_length=n)
        for n in (SOURCE_LENGTHS if settings.shape == Shape() else SOURCE_LENGTHS[:1])
    ]
    widths = [
        replace(settings.shape, d_model=d, d_ff=4 * d, n_heads=max(2, d // 64), batch=8)
        for d in (WIDTHS if settings.shape == Shape() else WIDTHS[:1])
    ]

    series = {
        "length": [point(settings, shape, shape.source_length) for shape in lengths],
        "length, no attention weight dropped": [
            point(settings, replace(shape, drop_attention=False), shape.source_length) for shape in lengths
        ],
        "width": [point(settings, shape, shape.d_model) for shape in widths],
    }

    for name, points in series.items():
        show(name, points)
    if settings.plot is not None:
        plot(series, settings.plot)
    return [
        Row(f"step against {name}", "s", [one.seconds for one in points], more={"points": [asdict(p) for p in points]})
        for name, points in series.items()
    ]


def point(settings: Any, shape: Shape, size: int) -> Point:
    """Time and memory of our training step at this shape."""
    job = Job("ours", "train", {"shape": asdict(shape), "first": {"steps": 1}})
    requests = {f"length {shape.source_length}, width {shape.d_model}": {"steps": STEPS_A_TURN}}
    ((turns,),) = take_turns([job], requests, 3, settings.threads, settings.gemm_size).values()
    peak = median(answer["gemm_flops"][1] for answer in turns.answers)
    seconds = min(answer["seconds"] for answer in turns.answers) / STEPS_A_TURN
    return Point(size, seconds, turns.memory_mib, step_flops(shape) / peak)


def show(name: str, points: list[Point]) -> None:
    """Print the points as an aligned table."""
    print(f"{name:>38}  {'ms a step':>10}  {'ms at peak':>10}  {'MiB':>8}")
    for one in points:
        print(f"{one.size:>38,}  {1000 * one.seconds:>10,.1f}  {1000 * one.at_peak:>10,.1f}  {one.memory_mib:>8,.0f}")


def plot(series: dict[str, list[Point]], file: Path) -> None:
    """Time above and memory below, length on the left and width on the right, all axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter, StrMethodFormatter

    pyplot.rcParams["svg.fonttype"] = "none"  # text stays text
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.2), sharex="col", layout="constrained")
    for name, points in series.items():
        column = int(name == "width")
        sizes = [one.size for one in points]
        style = "o--" if "no attention" in name else "o-"
        label = "attention weights not dropped" if "no attention" in name else "shape A"
        axes[0, column].plot(sizes, [1000 * one.seconds for one in points], style, label=label)
        axes[1, column].plot(sizes, [one.memory_mib for one in points], style, label=label)
        if "no attention" not in name:
            at_peak = [1000 * one.at_peak for one in points]
            axes[0, column].plot(sizes, at_peak, "k:", label="its FLOPs at the GEMM peak")
        axes[1, column].set_xticks(sizes)
    for axis in axes.flat:
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("milliseconds a step")
    axes[1, 0].set_ylabel("peak memory, MiB")
    axes[1, 0].set_xlabel(f"tokens of a source, and of its target ({PAIRS_A_LENGTH} pairs)")
    axes[1, 1].set_xlabel("d_model (8 pairs of 64 + 64 tokens)")
    axes[0, 0].legend(frameon=False)
    figure.savefig(file)
    pyplot.close(figure)
