"""Rows of training: shape A, the same with our allocator settings and in bf16, memory, shape B, our forms."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from experiments.record.measurement import ROOT
from experiments.speed.rows import Row, differences, row_of_turns
from experiments.speed.shape import Shape, step_flops
from experiments.speed.training import WITHOUT
from experiments.speed.turns import Job, Turns, fastest, ratio_of, shares_of_peak, take_turns
from system.cache import cache_folder
from system.device import has_bf16

DJANGO_BESIDE = ROOT.parent / "shared" / "data" / "django"  # where a copy of the data sets may lie beside the project
TRAINING_PACKAGES = {
    "nn.Transformer": "torch", "BART": "transformers", "Marian": "transformers", "T5": "transformers",
    "x-transformers": "x_transformers", "Joey NMT": "joeynmt",
}
HOW_TO_INSTALL = {  # what brings a package that is not in the extra
    "joeynmt": "pip install joeynmt==2.3.0 'importlib_metadata<9' 'sentencepiece<0.2.1'",
}


def installed_peers(packages: dict[str, str]) -> list[str]:
    """The peers whose package is installed; for each other one a line is printed."""
    found = [name for name, package in packages.items() if find_spec(package) is not None]
    for name in packages:
        if name not in found:
            how = HOW_TO_INSTALL.get(packages[name], 'pip install -e ".[bench]"')
            print(f"{name}: {packages[name]} is not installed ({how}), so it is left out")
    return found


def measure_training(settings: Any) -> list[Row]:
    """All rows about training."""
    ours, peers = shape_a(settings, installed_peers(TRAINING_PACKAGES))
    rows = [*rows_of_shape_a(settings, ours, peers), memory_row(ours, peers)]
    best = [peer.job.name for peer in fastest(peers, 2)]
    return [*rows, *with_our_settings(settings, best), *shape_b(settings, best)]


def measure_memory(settings: Any) -> list[Row]:
    """The memory of shape A alone."""
    return [memory_row(*shape_a(settings, installed_peers(TRAINING_PACKAGES)))]


def shape_a(settings: Any, names: list[str]) -> tuple[Turns, list[Turns]]:
    """The turns of this project and of the peers on random ids."""
    jobs = [training_job(settings, name) for name in ["ours", *names]]
    turns = train_in_turns(settings, jobs)
    return turns[0], turns[1:]


def training_job(settings: Any, name: str, label: str = "", **more: Any) -> Job:
    """An implementation at shape A. Two steps come before its turns: the first ones touch new memory."""
    return Job(name, "train", {"shape": asdict(settings.shape), "first": {"steps": 2}, **more}, label)


def train_in_turns(settings: Any, jobs: list[Job]) -> list[Turns]:
    """The turns of the jobs, in the order of the jobs."""
    requests = {"shape A": {"steps": settings.steps}}
    return take_turns(jobs, requests, settings.rounds, settings.threads, settings.gemm_size)["shape A"]


def rows_of_shape_a(settings: Any, ours: Turns, peers: list[Turns]) -> list[Row]:
    """Speed against the fastest peer, and the share of the GEMM peak."""
    best = fastest(peers)[0]
    flops = step_flops(settings.shape) / settings.shape.tokens
    parameters = {turns.job.shown: turns.about["parameters"] for turns in (ours, *peers)}
    row = row_of_turns("training, shape A", ours, peers, best, parameters=parameters)
    shares = {turns.job.shown: shares_of_peak(turns, flops) for turns in (ours, *peers)}
    named = ("torch.matmul's", "oneDNN's")
    peak = {
        library: sorted(answer["gemm_flops"][which] / 1e9 for answer in ours.answers)
        for which, library in enumerate(named)
    }
    return [row] + [
        Row(
            f"training, shape A, share of {library} GEMM peak", "share", [shares[ours.job.shown][which]],
            {peer.job.shown: [shares[peer.job.shown][which]] for peer in peers}, ratio_of(ours, best), best.job.shown,
            {"gemm_gflops": peak[library], "gemm_size": settings.gemm_size},
        )
        for which, library in enumerate(named)
    ]


def memory_row(ours: Turns, peers: list[Turns]) -> Row:
    """Peak memory of the same processes above what their imports took."""
    leanest = min(peers, key=lambda peer: peer.memory_mib)
    share = ours.memory_mib / leanest.memory_mib
    return Row(
        "training, shape A, peak memory", "MiB", [ours.memory_mib],
        {peer.job.shown: [peer.memory_mib] for peer in peers},
        {"median": share, "min": share, "max": share, "rounds": 1}, leanest.job.shown,
        {"differences": differences(peers)},
    )


def with_our_settings(settings: Any, best: list[str]) -> list[Row]:
    """The fastest peers under our allocator settings, and ours in bf16 where the processor has it."""
    in_bf16 = ["ours, bf16"] if has_bf16(torch.device("cpu")) else []
    if not in_bf16:
        print("bf16: torch finds no bfloat16 instructions in this processor, so the row is left out")
    jobs = [training_job(settings, name, f"{name}, our allocator", allocator=True) for name in best]
    turns = train_in_turns(settings, [*jobs, *(training_job(settings, name) for name in ("ours", *in_bf16))])
    peers, (ours, *bf16) = turns[: len(best)], turns[len(best) :]
    return [
        row_of_turns("training, shape A, peers with our allocator settings", ours, peers, fastest(peers)[0]),
        *(row_of_turns("training, shape A, bf16 against float32", one, [ours], ours) for one in bf16),
    ]


def measure_forms(settings: Any) -> list[Row]:
    """Ours against its readable form, and with each of the fast forms left out."""
    without = [f"ours without {form}" for form in WITHOUT] if settings.shape == Shape() else []
    ours, *variants = train_in_turns(
        settings, [training_job(settings, name) for name in ("ours", "ours, readable", *without)]
    )
    return [row_of_turns(f"training, shape A, against {one.job.name}", ours, [one], one) for one in variants]


def folder_of_django(settings: Any, what: str) -> Path | None:
    """Where Django's files are; None, and a line that says what is left out, where there are none."""
    given = [Path(settings.django)] if settings.django else [cache_folder("django"), DJANGO_BESIDE]
    for folder in given:
        if (folder / "all.anno").exists():
            return folder.resolve()
    print(f"{what}: no Django in {given[0]} (python -m data fetch django; --django FOLDER), so it is left out")
    return None


def shape_b(settings: Any, best: list[str]) -> list[Row]:
    """Django's pairs in real tokens a second, against random batches and against our batches."""
    folder = folder_of_django(settings, "shape B")
    if folder is None:
        return []

    def job(name: str, our_batches: bool) -> Job:
        values = {
            "shape": asdict(settings.shape), "folder": str(folder), "our_batches": our_batches,
            "first": {"n_tokens": settings.tokens // 4},
        }
        label = "" if name == "ours" else f"{name}, {'our' if our_batches else 'random'} batches"
        return Job(name, "django", values, label)

    jobs = [job("ours", True), *(job(name, our) for our in (False, True) for name in best)]
    requests = {"shape B": {"n_tokens": settings.tokens}}
    ours, *peers = take_turns(jobs, requests, settings.rounds, settings.threads, settings.gemm_size)["shape B"]
    padding = {turns.job.shown: turns.about["padding"] for turns in (ours, *peers)}
    random, same = peers[: len(best)], peers[len(best) :]
    return [
        row_of_turns("training, shape B, peers with random batches", ours, random, fastest(random)[0], padding=padding),
        row_of_turns("training, shape B, peers with our batches", ours, same, fastest(same)[0], padding=padding),
    ]
