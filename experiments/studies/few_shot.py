"""How well a network learns an unseen family of generated tasks from k examples.

    python -m experiments.ablate strategies_meta --runs runs/meta
    python -m experiments.studies.few_shot runs/meta/*-seed-[1-5]

Runs that were trained without the operations of the family (`--data.generated_without`), plainly or by meta-learning.
Each run's network is fine-tuned on k tasks that use one of the operations, for a number of steps on all k of them, once
for each draw of k tasks, and scored on others. k = 0 is the network as it is. Runs of one seed have the same draws.
Meta-learning is set against plain training seed by seed, where both have at least two seeds in common; what began with
a trained network, against plain training that did. A run that others of the named ones began with is measured only
where no other of its kind and seed is named.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
import tyro
from tqdm import tqdm

import train
from data.batches import collate
from data.example import Example
from data.objectives.pairs import pairs
from data.slots import hide
from data.splits import read_splits
from data.tokenizers.tokenizer import Tokenizer
from evaluation.evaluate import run_tests
from evaluation.predict import predict
from experiments.laboratory.statistics import paired_effect, t_interval
from experiments.record.cells import as_text, p_in_words
from experiments.record.measurement import (
    Facts,
    MeasuredRow,
    check_writable,
    facts_here,
    measured_row,
    rounded_score,
    write_rows,
)
from experiments.suites.strategies import SUITE as STRATEGIES_SUITE
from experiments.suites.strategies_meta import CLAIMED, UNSEEN_OPERATIONS
from model.transformer import Transformer
from system.device import seed_everything
from system.errors import UserError
from system.options import parse, run_and_report
from training.batch_loss import batch_loss
from training.recipes import recipe
from training.run.folder import read_config
from training.run.load import load_trained

PLAIN, THEN = "plain", ", then "


@dataclass(frozen=True)
class Settings:
    """Which runs, which family, how many examples."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]  # run folders, each trained without the operations
    operations: tuple[str, ...] = UNSEEN_OPERATIONS  # every task of the family has one of them
    k: tuple[int, ...] = (5, 20, 100)  # examples
    draws: int = 3  # of k examples
    tasks: int = 200  # scored
    steps: int = 40  # of fine-tuning
    learning_rate: float = 1e-3  # of Adam
    json: Path | None = None  # file for the rows

    def __post_init__(self) -> None:
        for name in ("draws", "tasks", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not self.k or min(self.k) < 1:
            raise ValueError(f"k={' '.join(map(str, self.k))} must be numbers of examples, each at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate={self.learning_rate} must be above 0")


def main(arguments: list[str]) -> int:
    """Fine-tune and score each run for each k and draw, print two tables."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.few_shot")
    check_writable(settings.json)

    configs = without_beginnings({run: config_of(run, settings) for run in settings.runs})
    kinds = {run: kind_of(config) for run, config in configs.items()}
    check_distinct(configs, kinds)
    in_order = sorted({*kinds.values()}, key=lambda kind: (THEN in kind, kind != control_of(kind), kind))

    found: dict[str, dict[int, dict[int, float]]] = {kind: {} for kind in in_order}  # k -> seed -> mean over draws
    for run, config in tqdm(configs.items(), desc="runs", disable=None):
        for k, scores in measure(run, config, settings).items():
            found[kinds[run]].setdefault(k, {})[config.seed] = 100 * fmean(scores)

    counts = (0, *settings.k)
    cells = [[kind, str(len(of_k[0])), *(in_words(of_k[k]) for k in counts)] for kind, of_k in found.items()]
    print(as_text(["tests passed (%)", "seeds", *(f"k = {k}" for k in counts)], cells), end="")

    words, facts = ["experiments.studies.few_shot", *arguments], facts_here()
    rows = [
        measured_row("few_shot", f"{kind}, k {k}", words, facts,
                     **mean_and_ends(fmean(seeds.values()), interval(seeds)), unit="%", over=f"{len(seeds)} seeds",
                     seeds={str(seed): score for seed, score in seeds.items()})
        for kind, of_k in found.items() for k, seeds in of_k.items()
    ]  # fmt: skip
    rows += compare(found, words, facts)
    write_rows(settings.json, rows)
    return 0


def without_beginnings(configs: Mapping[Path, train.Settings]) -> dict[Path, train.Settings]:
    """The runs without a suite's control, which sees no descriptions, and without those that others began with.

    Such a beginning stays where no other run is of its kind and seed.
    """
    beginnings = {before.resolve() for config in configs.values() if (before := run_before(config))}
    seeing = {run: (kind_of(one), one.seed) for run, one in configs.items() if one.model.cross_attention}
    others = {what for run, what in seeing.items() if run.resolve() not in beginnings}
    return {run: configs[run] for run, what in seeing.items() if run.resolve() not in beginnings or what not in others}


def config_of(run: Path, settings: Settings) -> train.Settings:
    """The run's settings. Raises UserError where it has seen the family, or the run that it began with has."""
    config = read_config(run, train.Settings)[0]
    if config.corpus != "generated" or not set(settings.operations) <= set(config.data.generated_without):
        raise UserError(
            f"{run} has seen the family; train it with --data.generated_without {' '.join(settings.operations)}"
        )
    if before := run_before(config):
        config_of(before, settings)
    return config


def run_before(config: train.Settings) -> Path | None:
    """The fine-tuned run with whose network a run began. Raises UserError where that run is gone."""
    folder = Path(config.init.from_)
    return folder if config.init.from_ and read_config(folder, train.Settings)[0].fine_tunes else None


def kind_of(config: train.Settings) -> str:
    """How a run was trained, behind how the run was trained that it began with."""
    kind, at_once = config.strategies.meta.kind, config.training.accumulate
    if kind == "none":
        usual = recipe(config.corpus, config.preset).training.accumulate
        kind = PLAIN if at_once == usual else f"{PLAIN}, {at_once} batches a step"
    before = run_before(config)
    return f"{kind_of(read_config(before, train.Settings)[0])}{THEN}{kind}" if before else kind


def control_of(kind: str) -> str:
    """The kind that a kind is compared with: the same, but with plain training at the end."""
    before, then, _ = kind.rpartition(THEN)
    return f"{before}{then}{PLAIN}"


def check_distinct(configs: Mapping[Path, train.Settings], kinds: Mapping[Path, str]) -> None:
    """Refuse no runs at all, and two runs of the same kind and seed. Raises UserError."""
    if not configs:
        raise UserError("no run is named that sees descriptions; give run folders")
    of_seed: dict[tuple[str, int], Path] = {}
    for run, config in configs.items():
        other = of_seed.setdefault((kinds[run], config.seed), run)
        if other != run:
            raise UserError(f"{other} and {run} are both {kinds[run]} with seed {config.seed}; name one of them")


def interval(scores: Mapping[int, float]) -> tuple[float, float] | None:
    """95% interval over seeds; None where there is one."""
    return t_interval(list(scores.values()), 0.95) if len(scores) > 1 else None


def in_words(scores: Mapping[int, float]) -> str:
    """Mean and 95% interval over seeds."""
    mean, bounds = fmean(scores.values()), interval(scores)
    return f"{mean:.1f}" + (f" ({bounds[0]:.1f} to {bounds[1]:.1f})" if bounds else "")


def mean_and_ends(mean: float, bounds: tuple[float, float] | None) -> dict[str, float]:
    """What a row keeps of a mean and its interval."""
    return rounded_score({"value": mean} | ({"low": bounds[0], "high": bounds[1]} if bounds else {}))


def compare(
    found: Mapping[str, Mapping[int, Mapping[int, float]]], words: list[str], facts: Facts
) -> list[MeasuredRow]:
    """Print each kind of meta-learning against plain training, and return the rows.

    One comparison was claimed beforehand. It is a test of the family of the suite `strategies`, whose other p-values
    are not known here: `p_corrected` is p times their number, the strictest that Holm's correction can be.
    """
    effects = {
        (kind, k): paired_effect(found[control_of(kind)][k], scores)
        for kind, of_k in found.items() if kind != control_of(kind) and control_of(kind) in found
        for k, scores in of_k.items()
    }  # fmt: skip
    if alone := [kind for kind in found if control_of(kind) not in found]:
        print(f"not compared, as no run is named that was trained plainly instead: {', '.join(alone)}", file=sys.stderr)

    rows, cells = [], []
    for (kind, k), effect in effects.items():
        if effect is None:
            continue
        values = mean_and_ends(effect.mean, (effect.low, effect.high))
        values |= {"unit": "points", "over": f"{effect.n} seeds", "p": effect.p}
        said = "exploratory"
        if (kind, k) == CLAIMED:
            values["p_corrected"] = min(1.0, STRATEGIES_SUITE.family * effect.p)
            said = p_in_words(values["p_corrected"])
        rows.append(measured_row("few_shot", f"{kind} against plain, k {k}", words, facts, **values))
        interval = f"{effect.mean:+.1f} ({effect.low:+.1f} to {effect.high:+.1f})"
        cells.append([f"{kind}, k = {k}", str(effect.n), interval, p_in_words(effect.p), said])

    if cells:
        print("\n" + as_text(["against plain", "seeds", "points (95%)", "p", "corrected"], cells), end="")
    return rows


def measure(run: Path, config: train.Settings, settings: Settings) -> dict[int, list[float]]:
    """k -> share of tasks whose tests pass, one number a draw. Raises UserError."""
    data = replace(
        config.data, generated_without=(), generated_only=settings.operations,
        generated_train=100 * max(settings.k), generated_test=20 * settings.tasks, held_out=0,
    )
    splits = read_splits("generated", data, config.seed)
    tests = list(splits.tests["in_distribution"])[: settings.tasks]
    found: dict[int, list[float]] = {0: [score(*load_trained(run, config.model), tests, config)]}
    for k in settings.k:
        if len(splits.train) < settings.draws * k:
            raise UserError(f"{settings.draws} draws of {k} examples are more than the {len(splits.train)} that there "
                            "are; lower --draws")  # fmt: skip
        found[k] = []
        for draw in range(settings.draws):
            examples = [hide(example, config.data) for example in splits.train[draw * k : (draw + 1) * k]]
            model, tokenizer = load_trained(run, config.model)
            fine_tune(model, tokenizer, examples, settings, draw)
            found[k].append(score(model, tokenizer, tests, config))
    return found


def fine_tune(
    model: Transformer, tokenizer: Tokenizer, examples: Sequence[Example], settings: Settings, seed: int
) -> None:
    """Fine-tune with Adam on all examples at once, with the dropout of the network."""
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
