"""What each way of choosing among hypotheses adds, on the networks of a finished benchmark.

    python -m experiments.benchmarks django      makes them
    python -m experiments.studies.choosing               one network alone, then all that write together

Exact match on the first split, Django's dev. The oracle takes a right hypothesis wherever there is one: no way of
choosing can beat it. Nothing is chosen by these figures: the recipe was fixed on training lines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from data.example import Example
from data.splits import read_splits
from data.tokenizers.tokenizer import Tokenizer
from eval import Settings as RunSettings
from eval import load_ensemble, load_reverse
from evaluation.evaluate import check_held_out
from evaluation.metrics import exact_matches, mean_score
from evaluation.n_best import Reverse, choose, oracle
from evaluation.predict import predict, predict_candidates
from experiments.record.cells import as_text
from experiments.record.measurement import check_writable, facts_here, measured_row, rounded_score, write_rows
from model.ensemble import Ensemble
from model.transformer import Transformer
from system.options import parse, run_and_report
from training.run.folder import read_config
from training.run.load import load_trained
from training.run.own import check_places


@dataclass(frozen=True)
class Settings:
    """Whose hypotheses, and what chooses."""

    run: Path = Path("runs/benchmark-django/first")  # a run that writes code
    ensemble: tuple[str, ...] = ("runs/benchmark-django/second", "runs/benchmark-django/third")  # write with it
    reverse: str = "runs/benchmark-django/reverse"  # describes code
    reverse_weight: float = 0.25  # of what it says
    beam: int = 8  # hypotheses
    json: Path | None = None  # file for the rows

    def __post_init__(self) -> None:
        if self.beam < 2:
            raise ValueError(f"beam={self.beam} leaves nothing to choose from; give at least 2")


def main(arguments: list[str]) -> int:
    """Decode by one network and by all, choose in each way, print the table. Raises UserError."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.choosing")
    check_writable(settings.json)

    config, _ = read_config(settings.run, RunSettings)
    check_places(settings.run, {"data.path": config.data.path}, "score it by eval.py")
    model, tokenizer = load_trained(settings.run, config.model)
    writers = {"one network": model.eval()}
    if settings.ensemble:
        together = load_ensemble(settings.run, model, tokenizer, config.data, config.evaluation, settings.ensemble)
        writers[f"{len(settings.ensemble) + 1} networks"] = together.eval()
    reverse = load_reverse(Path(settings.reverse), config.data, torch.device("cpu"))

    splits = read_splits(config.corpus, config.data, config.seed)
    check_held_out(map(Path, (settings.run, *settings.ensemble)), reverse, splits, config.data.path or config.corpus)
    split, references = next((name, list(examples)) for name, examples in splits.tests.items())

    found = {
        f"{who}, {way}": mean_score([100.0 * is_right for is_right in right])
        for who, writer in writers.items()
        for way, right in ways(writer, tokenizer, references, reverse, config, settings)
    }

    words, facts = ["experiments.studies.choosing", *arguments], facts_here()
    cells = [[way, f"{score['value']:.1f} ({score['low']:.1f} to {score['high']:.1f})"] for way, score in found.items()]
    print(as_text([f"{len(references):,} lines of {split}", "exact (%)"], cells), end="")
    rows = [
        measured_row("choosing", way, words, facts, unit="%", n=score["n"], **rounded_score(score))
        for way, score in found.items()
    ]
    write_rows(settings.json, rows)
    return 0


def ways(
    writer: Transformer | Ensemble, tokenizer: Tokenizer, references: Sequence[Example], reverse: Reverse,
    config: RunSettings, settings: Settings,
) -> Iterator[tuple[str, Sequence[bool]]]:
    """Way of choosing -> whether its choice is right, for each reference."""
    descriptions = [example.nl or "" for example in references]
    plain = replace(config.evaluation, beam=1, parsing_first=False)
    beam = replace(plain, beam=settings.beam, reverse_weight=settings.reverse_weight)
    parsing = replace(beam, parsing_first=True)
    greedy, _ = predict(writer, tokenizer, descriptions, plain, config.data)
    yield "greedy", exact_matches(references, greedy)
    hypotheses, _ = predict_candidates(writer, tokenizer, descriptions, beam, config.data, n_best=settings.beam)
    yield f"beam {settings.beam}", exact_matches(references, choose(hypotheses, references, beam))
    yield "what parses first", exact_matches(references, choose(hypotheses, references, parsing))
    yield "reverse model", exact_matches(references, choose(hypotheses, references, beam, reverse))
    yield "both", exact_matches(references, choose(hypotheses, references, parsing, reverse))
    yield "oracle", oracle(hypotheses, references)


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
