"""How well a network learns an unseen family of generated tasks from k examples.

    python train.py --run runs/plain --data.generated_without keys values best_key look_up
    python train.py --run runs/fomaml --data.generated_without keys values best_key look_up --strategies.meta fomaml
    python -m experiments.few_shot runs/plain runs/fomaml --operations keys values best_key look_up

Each run's network is fine-tuned on k tasks that use one of the operations, for a number of steps on all k of them, once
for each draw of k tasks, and scored on others. k = 0 is the network as it is. The same draws for every run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

import train
from data.batches import collate
from data.example import DataError, Example
from data.objectives.pairs import pairs
from data.options import parse, run_and_report
from data.splits import read_splits
from data.tokenizer import Tokenizer
from evaluation.evaluate import run_tests
from evaluation.predict import predict
from experiments.laboratory.statistics import t_interval
from experiments.laboratory.tables import as_text
from experiments.measurement import check_writable, facts_here, measured_row, write_rows
from model.transformer import Transformer
from training.batch_loss import batch_loss
from training.device import seed_everything
from training.pretrained import load_trained
from training.run_folder import read_config


@dataclass(frozen=True)
class Settings:
    """Which runs, which family, how many examples."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]  # run folders, each trained without the operations
    operations: tuple[str, ...]  # the family: every task of it has one of them
    k: tuple[int, ...] = (5, 20, 100)  # examples
    draws: int = 5  # of k examples
    tasks: int = 200  # scored
    steps: int = 40  # of fine-tuning
    learning_rate: float = 1e-3  # of Adam
    json: Path | None = None  # file for the rows


def main(arguments: list[str]) -> int:
    """Fine-tune and score each run for each k and draw, print a table."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.few_shot")
    check_writable(settings.json)
    words, rows, cells = ["experiments.few_shot", *arguments], [], []
    for run in settings.runs:
        found = measure(run, settings)
        rows += [
            measured_row("few_shot", f"{run.name}, k {k}", words, facts_here(), values=scores)
            for k, scores in found.items()
        ]
        cells.append([run.name, *(in_words(scores) for scores in found.values())])
    print(as_text(["tests passed (%)", *(f"k = {k}" for k in (0, *settings.k))], cells), end="")
    write_rows(settings.json, rows)
    return 0


def in_words(scores: Sequence[float]) -> str:
    """Mean and 95% interval over draws, in percent."""
    mean = 100 * sum(scores) / len(scores)
    if len(scores) < 2:
        return f"{mean:.1f}"
    low, high = t_interval(scores, 0.95)
    return f"{mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def measure(run: Path, settings: Settings) -> dict[int, list[float]]:
    """k -> share of tasks whose tests pass, one number a draw. Raises DataError."""
    config = read_config(run, train.Settings)[0]
    seen = set(config.data.generated_without)
    if config.corpus != "generated" or not set(settings.operations) <= seen:
        raise DataError(
            f"{run} has seen the family; train it with --data.generated_without {' '.join(settings.operations)}"
        )
    data = replace(
        config.data, generated_without=(), generated_only=settings.operations, generated_train=100 * max(settings.k),
        generated_test=20 * settings.tasks, held_out=0,
    )
    splits = read_splits("generated", data, config.seed)
    tests = list(splits.tests["in_distribution"])[: settings.tasks]
    found: dict[int, list[float]] = {0: [score(*load_trained(run, config.model), tests, config)]}
    for k in settings.k:
        found[k] = []
        for draw in range(settings.draws):
            examples = splits.train[draw * k : (draw + 1) * k]
            model, tokenizer = load_trained(run, config.model)
            fine_tune(model, tokenizer, examples, settings, draw)
            found[k].append(score(model, tokenizer, tests, config))
    return found


def fine_tune(
    model: Transformer, tokenizer: Tokenizer, examples: Sequence[Example], settings: Settings, seed: int
) -> None:
    """Adam on all the examples at once, so many steps, dropout as the network has it."""
    seed_everything(seed)
    batch = collate([pairs(example, tokenizer, None) for example in examples], [e.id for e in examples], tokenizer)
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate)
    model.train()
    for _ in range(settings.steps):
        optimizer.zero_grad(set_to_none=True)
        loss, n = batch_loss(model, batch, 0.0)
        (loss / n).backward()
        optimizer.step()


def score(model: Transformer, tokenizer: Tokenizer, tests: list[Example], config: Any) -> float:
    """Share of the tasks whose tests the network's program passes."""
    codes, _ = predict(model.eval(), tokenizer, [test.nl for test in tests], config.evaluation, config.data)
    outcomes = run_tests(tests, codes, config.evaluation)
    return sum(outcome.passed for outcome in outcomes) / len(outcomes)


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
