"""One implementation in a process of its own, which works when it is asked and waits otherwise.

    python -m experiments.speed.worker train BART [--threads 2] [--settings '{"shape": {"d_model": 64}}']

Standard output has JSON lines alone: first what the implementation is, then one answer a request. A request is a JSON
line on standard input, the arguments of one turn; the answer has its seconds, the tokens done in them, the machine's
GEMM peaks just before, and the memory of the process. The end of the input ends the process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

import psutil
import torch
from torch import nn

from experiments.record.measurement import ROOT
from experiments.speed.shape import Shape
from model.linear import linear_as_convolution
from system.platform import peak_memory_mib

GEMM_REPEATS = 5


@dataclass(frozen=True)
class Implementation:
    """One library at one kind of work."""

    turn: Callable[..., tuple[float, int]]  # a request's arguments -> seconds and tokens
    model: nn.Module
    library: str  # name and version
    difference: str = ""  # from what is asked of it
    about: tuple[tuple[str, Any], ...] = ()  # more to say


def make_training(name: str, settings: dict[str, Any]) -> Implementation:
    """Shape A: optimiser steps on one batch of random ids."""
    from experiments.speed.training import TRAINERS, random_pairs

    shape = Shape(**settings.get("shape", {}))
    trainer, pairs = TRAINERS[name](shape), random_pairs(shape)

    def turn(steps: int) -> tuple[float, int]:
        return seconds(lambda: [trainer.step(pairs) for _ in range(steps)]), steps * shape.tokens

    return Implementation(turn, trainer.model, trainer.library, trainer.difference)


def make_django(name: str, settings: dict[str, Any]) -> Implementation:
    """Shape B: optimiser steps on Django's pairs, random batches or ours."""
    from experiments.speed.django import Epoch, read_django
    from experiments.speed.training import TRAINERS

    trainer = TRAINERS[name](Shape(**settings.get("shape", {})))
    epoch = Epoch(read_django(settings["folder"], settings["our_batches"]), trainer)
    about = (("padding", epoch.padding), ("batches", len(epoch.plan)), ("tokens", epoch.tokens))
    return Implementation(epoch.turn, trainer.model, trainer.library, trainer.difference, about)


def make_generation(name: str, settings: dict[str, Any]) -> Implementation:
    """Decoding, greedy or with beams."""
    from experiments.speed.generation import GENERATORS

    generator = GENERATORS[name]()

    def turn(batch: int, beams: int, repeats: int) -> tuple[float, int]:
        outputs: list[list[int]] = []
        took = seconds(lambda: outputs.extend(row for _ in range(repeats) for row in generator.generate(batch, beams)))
        return took, sum(map(len, outputs))

    return Implementation(turn, generator.model, generator.library, generator.difference)


IMPLEMENTATIONS = {"train": make_training, "django": make_django, "decode": make_generation}


def gemm_flops(size: int) -> tuple[float, float]:
    """FLOPs a second of the fastest of some products of two size x size float32 matrices: torch's, and oneDNN's."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    with torch.no_grad():
        products = (lambda: left @ right), (lambda: linear_as_convolution(left, right))
        fastest = [min([seconds(product) for _ in range(1 + GEMM_REPEATS)][1:]) for product in products]
    return tuple(2 * size**3 / took for took in fastest)


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes by the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def describe(implementation: Implementation) -> dict[str, Any]:
    """What the implementation is: library, size, threads, and the hash of the project's code that it has loaded."""
    from training.run.code_hash import code_hash, imported_files

    return {
        "library": implementation.library,
        "difference": implementation.difference,
        "parameters": sum(weight.numel() for weight in implementation.model.parameters()),
        "threads": torch.get_num_threads(),
        "code_hash": code_hash(ROOT, imported_files(ROOT)),
        **dict(implementation.about),
    }


def serve(implementation: Implementation, imports_mib: float, requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are none."""
    for line in requests:
        request = json.loads(line)
        peaks = gemm_flops(request.pop("gemm_size"))  # first: it also wakes the threads up
        took, tokens = implementation.turn(**request)
        memory = peak_memory_mib() - imports_mib
        tell(answers, {"seconds": took, "tokens": tokens, "gemm_flops": peaks, "memory_mib": memory})


def tell(answers: TextIO, answer: dict[str, Any]) -> None:
    """One JSON line, at once."""
    print(json.dumps(answer), file=answers, flush=True)


def import_everything(name: str) -> None:
    """Load what this implementation loads, so that the memory of libraries can be told from that of the work."""
    if name.startswith("ours"):
        import train  # noqa: F401
    elif name == "x-transformers":
        import x_transformers  # noqa: F401
    elif name == "Joey NMT":
        import joeynmt.model  # noqa: F401
    elif name == "CTranslate2":
        import ctranslate2  # noqa: F401
    elif name != "nn.Transformer":
        import transformers  # noqa: F401


def main() -> None:
    """Make the implementation, say what it is, and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=IMPLEMENTATIONS)
    parser.add_argument("name")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch's own choice)")
    parser.add_argument("--settings", type=json.loads, default={}, help="what is measured, as JSON")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # what libraries print goes to standard error, never among the answers
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    import_everything(arguments.name)
    imports_mib = psutil.Process().memory_info().rss / 2**20
    if arguments.settings.get("allocator"):
        from system.device import keep_freed_memory

        keep_freed_memory()
    torch.manual_seed(0)
    implementation = IMPLEMENTATIONS[arguments.kind](arguments.name, arguments.settings)
    implementation.turn(**arguments.settings["first"])  # what is loaded at the first step counts for the code hash
    tell(answers, describe(implementation))
    serve(implementation, imports_mib, sys.stdin, answers)


if __name__ == "__main__":
    main()
