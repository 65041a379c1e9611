"""What a suite's pretraining reads: tokens of text, and what reading them costs beside the steps that learn from them.

    python -m experiments.speed.reading pretraining
    python -m experiments.speed.reading pretraining --json FILE      a row for `python -m experiments.results measured`

Text is counted before it is corrupted, in tokens of the vocabulary; a row's steps times its text a step is what the
row reads. Reading is everything from the shards to a batch of tensors: decoding, encoding, corrupting, sorting by
length.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

import train
from data.example import BadRecords, Example, Item
from data.objectives import text_of
from data.tokenizers.tokenizer import Tokenizer
from experiments.laboratory.plan import make_trial, settings_of
from experiments.laboratory.suite import Suite, load_suite, rows_of
from experiments.record.cells import as_text
from experiments.record.measurement import check_writable, facts_here, measured_row, write_rows
from model.fast import make_network
from system.device import collect_garbage_seldom, set_threads
from system.options import parse, run_and_report
from training.batch_loss import batch_loss
from training.corpus import Corpus, read_corpora
from training.first_tokenizer import first_tokenizer
from training.mixture import Mixture
from training.optimizer import make_optimizer
from training.stream import Stream, StreamPosition

TIMED_STEPS = 40  # that are timed
ABOUT_CODE = ("identifier", "tag")  # objectives that take an example's code, whatever its description


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    suite: Annotated[str, tyro.conf.Positional] = "pretraining"  # name of a file in experiments/suites
    json: Path | None = None  # file for the row


def main(arguments: list[str]) -> int:
    """Measure each row that pretrains, print a table."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.speed.reading")
    words = ["experiments.speed.reading", *arguments]
    check_writable(settings.json)

    suite, found = load_suite(settings.suite), {}
    corpora, tokenizer = None, None
    collect_garbage_seldom()  # as train.py does
    for row, run in pretrainings(suite).items():
        set_threads(run.threads)
        if corpora is None:  # rows share data and vocabulary
            corpora = read_corpora(run)
            tokenizer = first_tokenizer(run, corpora)
        run = replace(run, model=replace(run.model, vocab_size=tokenizer.vocab_size))
        found[row] = measure(run, corpora["pretraining"], tokenizer)

    head = ["row", "steps", "text a step", "text (M)", "reading a step (ms)", "step (ms)", "reading's share"]
    cells = [
        [row, f"{one['steps']:,}", f"{one['text_a_step']:.0f}", f"{one['steps'] * one['text_a_step'] / 1e6:.2f}",
         f"{one['reading_ms']:.2f}", f"{one['step_ms']:.0f}", f"{one['reading_ms'] / one['step_ms']:.2%}"]
        for row, one in found.items()
    ]  # fmt: skip
    print(as_text(head, cells), end="")

    largest = max(100 * one["reading_ms"] / one["step_ms"] for one in found.values())
    values = {"value": round(largest, 2), "unit": "%", "rows": found}
    row = measured_row("checks", "reading, largest share of a step", words, facts_here(), **values)
    write_rows(settings.json, [row])
    return 0


def pretrainings(suite: Suite) -> dict[str, train.Settings]:
    """Row -> settings of its pretraining, one of several rows that pretrain alike."""
    found: dict[str, train.Settings] = {}
    for row in rows_of(suite):
        trial = make_trial(suite, row, 1)
        settings = settings_of((trial.network or trial).options)
        if settings.pretrains and settings not in found.values():
            found[row] = settings
    return found


def measure(settings: train.Settings, corpus: Corpus, tokenizer: Tokenizer) -> dict[str, float]:
    """Steps, tokens of text a step, and milliseconds of reading and of learning a step, medians of TIMED_STEPS."""
    mixture = corpus.mixture(settings.pretraining.objectives, tokenizer, settings.seed)
    stream = Stream(mixture, settings.data, BadRecords())

    began = time.perf_counter()
    n_batches = stream.count_chunk(0, 0)  # which keeps them for `planned_chunk`
    planned = (time.perf_counter() - began) / n_batches
    texts = count_text(mixture)
    text = sum(texts[id(item)] for batch in stream.chunk(0, 0) for item, _ in batch) / n_batches

    model = make_network(settings.model, tokenizer.pad_id)
    optimizer = make_optimizer(model, settings.pretraining)
    batches, collated, learned = stream.planned_chunk(StreamPosition()), [], []
    for _ in range(TIMED_STEPS):
        began = time.perf_counter()
        batch = stream.collated(next(batches)[1])
        read = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        batch_loss(model, batch, settings.pretraining.label_smoothing)[0].backward()
        optimizer.step()
        collated.append(read - began)
        learned.append(time.perf_counter() - read)

    return {
        "steps": settings.pretraining.steps, "text_a_step": text,
        "reading_ms": 1000 * (planned + median(collated)), "step_ms": 1000 * median(learned),
    }  # fmt: skip


def count_text(mixture: Mixture) -> dict[int, int]:
    """Of every item that the mixture makes from now on, by its identity: tokens of the text that it was made of."""
    found: dict[int, int] = {}

    def counting(name: str, function: Callable[..., Item | None]) -> Callable[..., Item | None]:
        def counted(example: Example, *more: Any, **named: Any) -> Item | None:
            item = function(example, *more, **named)
            if item is not None:
                text = example.code if name in ABOUT_CODE else text_of(example)
                found[id(item)] = len(mixture.tokenizer.encode(text))
            return item

        return counted

    mixture.functions = {name: counting(name, function) for name, function in mixture.functions.items()}
    return found


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
