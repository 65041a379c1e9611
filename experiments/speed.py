"""Training speed beside other libraries: the same network, the same batch, one process each, taking turns.

    python -m experiments.speed                      tokens a second, ours against Hugging Face's BART
    python -m experiments.speed --threads 1 --json speed.json
    python -m experiments.results measured speed.json --suite speed

Absolute speed depends on what else the machine does; the ratio of two turns that follow each other hardly does. In
every turn the machine's GEMM peak is measured too. CI_STEPS=20 in the environment makes it a trial of few steps.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch

from data.example import DataError
from data.options import parse, run_and_report
from experiments.measurement import ROOT, check_writable, facts_of, measured_row, write_rows
from experiments.result_tables import ratio
from experiments.speed_shape import Shape, step_flops
from training.environment import describe_environment, version_of
from training.trial import step_cap

GEMM_SIZE = 2048
PAUSE = 0.3  # seconds between turns, in which the last turn's threads stop spinning
SAME_SIZE = 0.01  # parameter counts may differ by this share; above it the difference is said
PEERS = {"BART": "transformers"}  # name in experiments/speed_worker.py -> the package that it needs


@dataclass(frozen=True)
class Settings:
    """How it is measured."""

    rounds: int = 5  # turns of each implementation
    steps: int = 8  # optimiser steps in a turn
    warm_up: int = 3  # steps before the first turn
    threads: int = 0  # CPU threads of each process; 0: torch's own choice
    shape: Shape = field(default_factory=Shape)  # what is measured
    gemm_size: int = GEMM_SIZE  # rows of the square matrices of the GEMM peak
    json: Path | None = None  # file for the rows


@dataclass
class Measured:
    """One implementation's turns."""

    name: str
    about: dict[str, Any]  # the worker's first line
    seconds: list[float] = field(default_factory=list)  # of a step, one value a turn
    peaks: list[float] = field(default_factory=list)  # GEMM FLOPs a second, one value a turn


def check(settings: Settings) -> None:
    """Refuse impossible settings before anything starts. Raises DataError."""
    for name, least in (("rounds", 1), ("steps", 1), ("warm_up", 0), ("threads", 0), ("gemm_size", 1)):
        value = getattr(settings, name)
        if value < least:
            raise DataError(f"--{name.replace('_', '-')} {value} must be at least {least}")
    check_writable(settings.json)


def start(name: str, settings: Settings) -> subprocess.Popen:
    """Start an implementation's process; it begins to get ready at once."""
    options = ["--threads", str(settings.threads), "--shape", json.dumps(asdict(settings.shape))]
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.speed_worker", name, *options],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )


def answer(name: str, worker: subprocess.Popen) -> dict[str, Any]:
    """The worker's next line. Raises DataError when its process has ended instead."""
    line = worker.stdout.readline()
    if not line:
        raise DataError(f"{name}: its process ended with status {worker.wait()}; its own lines above say why")
    return json.loads(line)


def ask(name: str, worker: subprocess.Popen, steps: int, gemm_size: int) -> dict[str, Any]:
    """Let the worker take steps while the others wait."""
    time.sleep(PAUSE)
    try:
        print(json.dumps({"steps": steps, "gemm_size": gemm_size}), file=worker.stdin, flush=True)
    except BrokenPipeError:
        pass  # the process has ended: `answer` says so
    return answer(name, worker)


def take_turns(names: list[str], settings: Settings) -> list[Measured]:
    """Every implementation in a process of its own, A B A B. Raises DataError when one of them ends too early."""
    workers: dict[str, subprocess.Popen] = {}
    results = []
    try:
        for name in names:  # one after the other, so that getting ready does not disturb
            workers[name] = start(name, settings)
            results.append(Measured(name, answer(name, workers[name])))
        for name, worker in workers.items():
            ask(name, worker, settings.warm_up, settings.gemm_size)
        for number in range(settings.rounds):
            print(f"round {number + 1} of {settings.rounds}", file=sys.stderr)
            for result in results:
                turn = ask(result.name, workers[result.name], settings.steps, settings.gemm_size)
                result.seconds.append(turn["seconds"] / settings.steps)
                result.peaks.append(turn["gemm_flops"])
    finally:
        for worker in workers.values():
            stop(worker)
    return results


def stop(worker: subprocess.Popen) -> None:
    """End a worker's process, also in the middle of its work."""
    worker.terminate()
    worker.communicate()


def capped(settings: Settings) -> Settings:
    """With CI_STEPS, a trial: two rounds of a twentieth of it, and smaller matrices for the GEMM peak."""
    cap = step_cap()
    if not cap:
        return settings
    print(f"CI_STEPS={cap}: a trial of few steps, its figures are not results", file=sys.stderr)
    steps = min(settings.steps, max(1, cap // 20))
    gemm_size = min(settings.gemm_size, 512)
    return replace(settings, rounds=min(settings.rounds, 2), steps=steps, warm_up=0, gemm_size=gemm_size)


def ratio_of(ours: Measured, peer: Measured) -> dict[str, float]:
    """How many times as fast ours is: median, least and greatest over the rounds."""
    values = [theirs / mine for mine, theirs in zip(ours.seconds, peer.seconds, strict=True)]
    return {"median": median(values), "min": min(values), "max": max(values), "rounds": len(values)}


def figures(result: Measured, shape: Shape) -> dict[str, float]:
    """Medians over the rounds: tokens a second, milliseconds a step, and FLOPs by formula as a share of the peak."""
    shares = [step_flops(shape) / took / peak for took, peak in zip(result.seconds, result.peaks, strict=True)]
    return {
        "tokens_per_second": median(shape.tokens / took for took in result.seconds),
        "milliseconds": median(1000 * took for took in result.seconds),
        "share_of_peak": median(shares),
        "gemm_gflops": median(result.peaks) / 1e9,
        "parameters": result.about["parameters"],
    }


def row_of(ours: Measured, peer: Measured, settings: Settings, arguments: list[str]) -> dict[str, Any]:
    """The row of `python -m experiments.results measured`. Another shape has another name, so that it stands apart."""
    name = f"training, {peer.name}" + ("" if settings.shape == Shape() else f", {settings.shape}")
    environment = describe_environment(0, torch.device("cpu"), code_hash=ours.about["code_hash"])
    facts = facts_of({**environment, "threads": ours.about["threads"]})
    facts["versions"][PEERS[peer.name]] = version_of(PEERS[peer.name])
    both = {who: figures(result, settings.shape) for who, result in (("ours", ours), ("peer", peer))}
    return measured_row(
        "speed", name, arguments, facts,
        ours=both["ours"]["tokens_per_second"], peer=both["peer"]["tokens_per_second"], ratio=ratio_of(ours, peer),
        unit="tokens/s", shape=asdict(settings.shape), steps=settings.steps, figures=both,
        seconds={"ours": ours.seconds, "peer": peer.seconds},
    )


def show(ours: Measured, peer: Measured, settings: Settings) -> None:
    """An aligned table of both, and the ratio."""
    print(f"training: {settings.shape}")
    print(f"float32 on the CPU, {ours.about['threads']} threads, {settings.rounds} rounds of {settings.steps} steps")
    print(f"{'':<28} {'tokens/s':>9} {'ms/step':>9} {'of GEMM peak':>13} {'GFLOP/s peak':>13} {'parameters':>12}")
    for result in (ours, peer):
        found = figures(result, settings.shape)
        label = f"{result.name} ({result.about['library']})"
        print(
            f"{label:<28} {found['tokens_per_second']:>9,.0f} {found['milliseconds']:>9,.1f} "
            f"{found['share_of_peak']:>13.1%} {found['gemm_gflops']:>13,.0f} {found['parameters']:>12,}"
        )
    print(f"ratio ours / {peer.name}: {ratio(ratio_of(ours, peer))}")
    mine, theirs = ours.about["parameters"], peer.about["parameters"]
    if abs(mine - theirs) > SAME_SIZE * theirs:
        print(f"the sizes differ: {mine - theirs:+,} parameters ({(mine - theirs) / theirs:+.1%})")


def compare(peer: str, settings: Settings, arguments: list[str]) -> list[dict[str, Any]]:
    """Ours against one peer: print the table, return the row; none where the peer is not installed."""
    if find_spec(PEERS[peer]) is None:
        print(f'{peer}: {PEERS[peer]} is not installed (pip install -e ".[bench]")')
        return []
    ours, theirs = take_turns(["ours", peer], settings)
    show(ours, theirs, settings)
    return [row_of(ours, theirs, settings, arguments)]


def main(arguments: list[str]) -> int:
    """Measure, print, write the rows."""
    settings = parse(Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m experiments.speed")
    check(settings)
    settings = capped(settings)
    words = ["experiments.speed", *arguments]
    write_rows(settings.json, [row for peer in PEERS for row in compare(peer, settings, words)])
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
