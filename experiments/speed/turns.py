"""Processes that take turns, A B A B, and what follows from their turns: speeds, ratios, shares of the GEMM peak."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tqdm import tqdm

from experiments.record.measurement import ROOT
from system.errors import UserError

PAUSE = 0.3  # seconds between turns, in which the last turn's threads stop spinning


@dataclass(frozen=True)
class Job:
    """One implementation that takes part, and the settings of its process."""

    name: str  # in experiments/speed's dictionaries
    kind: str  # train, django or decode
    settings: dict[str, Any]
    label: str = ""  # in tables, where the name alone does not say it

    @property
    def shown(self) -> str:
        """Its name in tables."""
        return self.label or self.name


@dataclass
class Turns:
    """One implementation's turns of one request."""

    job: Job
    about: dict[str, Any]  # the worker's first line
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def speeds(self) -> list[float]:
        """Tokens a second, one value a turn."""
        return [answer["tokens"] / answer["seconds"] for answer in self.answers]

    @property
    def memory_mib(self) -> float:
        """Peak memory above what the imports take."""
        return max(answer["memory_mib"] for answer in self.answers)


class Worker:
    """The process of one implementation."""

    def __init__(self, job: Job, threads: int) -> None:
        self.job = job
        options = ["--threads", str(threads), "--settings", json.dumps(job.settings)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "experiments.speed.worker", job.kind, job.name, *options],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )

    def answer(self) -> dict[str, Any]:
        """The next line. Raises UserError when the process has ended instead."""
        line = self.process.stdout.readline()
        if not line:
            raise UserError(
                f"{self.job.shown}: its process ended with status {self.process.wait()}; its own lines above say why"
            )
        return json.loads(line)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer, while the other processes wait."""
        time.sleep(PAUSE)
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # the process has ended: `answer` says so
        return self.answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def take_turns(
    jobs: Sequence[Job], requests: dict[str, dict[str, Any]], rounds: int, threads: int, gemm_size: int
) -> dict[str, list[Turns]]:
    """Each request, by its name, `rounds` times from each job, the jobs taking turns. Raises UserError."""
    found: dict[str, list[Turns]] = {name: [] for name in requests}
    with ExitStack() as stack, tqdm(total=len(jobs) * (1 + rounds * len(requests)), leave=False, disable=None) as bar:
        workers = []
        for job in jobs:  # one after the other, so that getting ready does not disturb
            bar.set_description(f"{job.shown} gets ready")
            workers.append(stack.enter_context(Worker(job, threads)))
            about = workers[-1].answer()
            for turns in found.values():
                turns.append(Turns(job, about))
            bar.update()
        for _ in range(rounds):
            for name, request in requests.items():
                for worker, turns in zip(workers, found[name], strict=True):
                    bar.set_description(f"{worker.job.shown}, {name}")
                    turns.answers.append(worker.ask(request | {"gemm_size": gemm_size}))
                    bar.update()
    return found


def ratio_of(ours: Turns, peer: Turns) -> dict[str, float]:
    """How many times as fast ours is: median, least and greatest over the rounds."""
    return ratios(ours.speeds, peer.speeds)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Ours over theirs, round by round: median, least and greatest."""
    values = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {"median": median(values), "min": min(values), "max": max(values), "rounds": len(values)}


def fastest(peers: Sequence[Turns], n: int = 1) -> list[Turns]:
    """The n fastest of the peers that do exactly the same task."""
    same = [peer for peer in peers if not peer.about["difference"]]
    return sorted(same, key=lambda peer: median(peer.speeds), reverse=True)[:n]


def shares_of_peak(turns: Turns, flops_per_token: float) -> tuple[float, float]:
    """FLOPs by formula as a share of the GEMM peak, torch's and oneDNN's, measured just before: medians."""
    rounds = list(zip(turns.speeds, turns.answers, strict=True))
    return tuple(
        median(speed * flops_per_token / answer["gemm_flops"][which] for speed, answer in rounds) for which in (0, 1)
    )
