"""One implementation in a process of its own, which works when it is asked and waits otherwise.

    python -m experiments.speed_worker NAME [--threads 2] [--shape '{"d_model": 64}']

Standard output has JSON lines alone: first what the implementation is, then one answer a request. A request is a JSON
line {"steps": N, "gemm_size": M} on standard input; the answer has the seconds of N training steps, and the FLOPs a
second of the product of two M x M matrices. The end of the input ends the process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TextIO

import torch

from experiments.measurement import ROOT
from experiments.speed_shape import Shape, our_config

LEARNING_RATE = 1e-4
CLIP_NORM = 1.0
GEMM_REPEATS = 5
FIRST_ID = 5  # random ids begin behind everybody's padding, start and end


@dataclass(frozen=True)
class Implementation:
    """One library's training step."""

    step: Callable[[], Any]  # one optimiser step on the batch
    model: torch.nn.Module
    library: str  # name and version


def random_pairs(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources (B, S) and targets (B, T) of random ids, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    source, target = (
        torch.randint(FIRST_ID, shape.vocab_size, (shape.batch, length), generator=generator)
        for length in (shape.source_length, shape.target_length)
    )
    return source, target


def make_ours(shape: Shape) -> Implementation:
    """This project's preset `bart` under the step of train.py's loop."""
    import train
    from data.batches import collate
    from data.example import Item
    from data.tokenizer import Tokenizer
    from model.transformer import Transformer
    from training.config import LoopConfig
    from training.device import keep_freed_memory
    from training.optimizer import make_optimizer

    keep_freed_memory()  # as train.py does
    model = Transformer(our_config(shape), Tokenizer.pad_id).train()
    loop = LoopConfig(learning_rate=LEARNING_RATE, label_smoothing=0.0, clip_norm=CLIP_NORM)
    source, target = random_pairs(shape)
    items = [Item(*pair) for pair in zip(source.tolist(), target.tolist(), strict=True)]
    batch = collate(items, [str(n) for n in range(len(items))], Tokenizer)
    run = SimpleNamespace(model=model, device=torch.device("cpu"))
    phase = SimpleNamespace(loop=loop, optimizer=make_optimizer(model, loop), average=None)
    return Implementation(lambda: train.take_step(run, phase, [batch], LEARNING_RATE), model, "this project")


def make_bart(shape: Shape) -> Implementation:
    """Hugging Face's BART (Lewis et al. 2020), the library's defaults but for sizes and dropout."""
    import transformers

    config = transformers.BartConfig(
        vocab_size=shape.vocab_size, d_model=shape.d_model, encoder_layers=shape.n_layers,
        decoder_layers=shape.n_layers, encoder_attention_heads=shape.n_heads, decoder_attention_heads=shape.n_heads,
        encoder_ffn_dim=shape.d_ff, decoder_ffn_dim=shape.d_ff, dropout=shape.dropout,
        attention_dropout=shape.dropout,
    )
    model = transformers.BartForConditionalGeneration(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    source, target = random_pairs(shape)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(input_ids=source, labels=target).loss.backward()  # the library shifts the target itself
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()

    return Implementation(step, model, f"transformers {transformers.__version__}")


IMPLEMENTATIONS = {"ours": make_ours, "BART": make_bart}


def gemm_flops(size: int) -> float:
    """FLOPs a second of the fastest of some products of two size x size matrices in float32: the machine's peak."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    times = [seconds(lambda: left @ right) for _ in range(1 + GEMM_REPEATS)]
    return 2 * size**3 / min(times[1:])


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes by the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def take_steps(implementation: Implementation, n: int) -> float:
    """Seconds of n training steps."""
    return seconds(lambda: [implementation.step() for _ in range(n)])


def describe(implementation: Implementation) -> dict[str, Any]:
    """What the implementation is: library, size, threads, and the hash of the project's code that it has loaded."""
    from training.code_hash import code_hash, imported_files

    return {
        "library": implementation.library,
        "parameters": sum(weight.numel() for weight in implementation.model.parameters()),
        "threads": torch.get_num_threads(),
        "code_hash": code_hash(ROOT, imported_files(ROOT)),
    }


def serve(implementation: Implementation, requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are none."""
    for line in requests:
        request = json.loads(line)
        peak = gemm_flops(request["gemm_size"])  # first: it also wakes the threads up
        tell(answers, {"seconds": take_steps(implementation, request["steps"]), "gemm_flops": peak})


def tell(answers: TextIO, answer: dict[str, Any]) -> None:
    """One JSON line, at once."""
    print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Make the implementation, say what it is, and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=IMPLEMENTATIONS)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch's own choice)")
    parser.add_argument("--shape", type=json.loads, default={}, help="sizes that differ, as JSON")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to standard error, never among the answers
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    implementation = IMPLEMENTATIONS[arguments.name](Shape(**arguments.shape))
    implementation.step()  # what is loaded at the first step counts for the code hash
    tell(answers, describe(implementation))
    serve(implementation, sys.stdin, answers)


if __name__ == "__main__":
    main()
