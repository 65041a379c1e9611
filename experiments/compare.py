"""Two runs beside each other: settings, curves, scores with a paired test, and the examples that only one gets right.

    python -m experiments.compare runs/a runs/b
    python -m experiments.compare runs/a runs/b --examples 10 --plot curves.png --json comparison.json

Both must have been scored on the same examples. Right or wrong is compared by McNemar's exact test (1947: of the
examples that only one gets right, does one have more than its half?), BLEU by sacrebleu's paired bootstrap. Both speak
of these two runs on such examples; they do not tell how another seed would do (`python -m experiments.ablate`).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import tyro
from scipy import stats

from evaluation.finished_run import RunFolder, read_run_folder
from experiments.record.cells import as_text, p_in_words
from experiments.record.compact_lines import settings_that_count
from experiments.record.measurement import check_writable
from system.atomic_files import write_atomically
from system.errors import UserError
from system.from_disk import checked
from system.options import parse, run_and_report
from training.run.folder import read_config_values
from training.run.old_settings import flat

RIGHT = ("passed", "exact")  # what may be right or wrong of an example


@dataclass(frozen=True)
class Settings:
    """Which runs, and what to show."""

    first: Annotated[Path, tyro.conf.Positional]  # a run folder
    second: Annotated[Path, tyro.conf.Positional]  # another
    examples: int = 3  # of each split and side: examples that only this run gets right
    plot: Path | None = None  # file for the curves (png or svg)
    json: Path | None = None  # file for the comparison


@dataclass
class Compared:
    """What a line of predictions.jsonl has to have here."""

    id: str
    nl: str | None
    reference: str
    prediction: str


@dataclass(frozen=True)
class Comparison:
    """One score of one split."""

    split: str
    score: str
    n: int
    first: float
    second: float
    only: tuple[int, int]  # examples that only the first, only the second gets right
    p: float


def differing_settings(first: RunFolder, second: RunFolder) -> list[tuple[str, Any, Any]]:
    """Every setting that is not the same in both, with both values."""
    left, right = (flat(settings_that_count(run.config | scored_with(run))) for run in (first, second))
    names = sorted(left.keys() | right.keys())
    return [(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)]


def scored_with(run: RunFolder) -> dict[str, Any]:
    """How it was scored: eval.py may have done it with other settings than the run's own."""
    found = run.beside.get("evaluation")
    return {"evaluation": found} if found else {}


def paired_predictions(first: RunFolder, second: RunFolder) -> dict[str, list[tuple[dict, dict]]]:
    """Split -> the two runs' records of each example. Raises UserError where they were not scored on the same ones."""
    both = [by_split(run) for run in (first, second)]
    if both[0].keys() != both[1].keys() or not both[0]:
        raise UserError(
            f"{first.path} was scored on {', '.join(both[0]) or 'nothing'} and {second.path} on "
            f"{', '.join(both[1]) or 'nothing'}; score both on the same: python eval.py --run FOLDER"
        )
    pairs = {}
    for split, records in both[0].items():
        others = both[1][split]
        questions = [[(one["id"], one["nl"], one["reference"]) for one in side] for side in (records, others)]
        if questions[0] != questions[1]:
            unequal = sum(left != right for left, right in zip(*questions, strict=False))
            unequal += abs(len(records) - len(others))
            raise UserError(
                f"{split}: {unequal} of {max(len(records), len(others))} examples are not the same in both runs, so "
                "they cannot be compared; score both with the same data and seed"
            )
        pairs[split] = list(zip(records, others, strict=True))
    return pairs


def by_split(run: RunFolder) -> dict[str, list[dict]]:
    """A run's records split by split. Raises UserError where one lacks what is compared."""
    checked(run.predictions, list[Compared], run.path / "predictions.jsonl", "score the run again")
    found: dict[str, list[dict]] = {}
    for record in run.predictions:
        found.setdefault(str(record.get("split")), []).append(record)
    return found


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p-value: how likely so uneven a split is, if each example goes to either side by chance."""
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def compare_right(split: str, score: str, pairs: list[tuple[dict, dict]]) -> Comparison | None:
    """How often each run is right, and McNemar's test; None where no example has an answer."""
    answers = [(one.get(score), other.get(score)) for one, other in pairs]
    if not pairs or any(None in answer for answer in answers):
        return None
    only = sum(a and not b for a, b in answers), sum(b and not a for a, b in answers)
    first, second = (sum(answer[side] for answer in answers) / len(answers) for side in (0, 1))
    return Comparison(split, score, len(answers), first, second, only, mcnemar(*only))


def compare_bleu(split: str, pairs: list[tuple[dict, dict]]) -> Comparison:
    """BLEU of both and the paired bootstrap's p-value (Koehn 2004; 1,000 draws of the examples)."""
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    systems = [(name, [pair[side]["prediction"] for pair in pairs]) for side, name in enumerate(("first", "second"))]
    references = [[one["reference"] for one, _ in pairs]]
    _, found = PairedTest(systems, {"BLEU": BLEU(force=True)}, references, test_type="bs")()
    first, second = found["BLEU"]
    # sacrebleu counts the draws with a larger difference: of two equal runs none, and they come out as unequal.
    p = 1.0 if first.score == second.score else float(second.p_value)
    return Comparison(split, "bleu", len(pairs), first.score, second.score, (0, 0), p)


def compare(first: RunFolder, second: RunFolder) -> tuple[list[Comparison], dict[str, list[tuple[dict, dict]]]]:
    """Every score of every split. Raises UserError."""
    pairs = paired_predictions(first, second)
    found = []
    for split, of_split in pairs.items():
        found += [one for score in RIGHT if (one := compare_right(split, score, of_split)) is not None]
        found.append(compare_bleu(split, of_split))
    return found, pairs


def score_rows(found: list[Comparison]) -> list[list[str]]:
    """The comparisons as a table's rows."""
    rows = []
    for one in found:
        factor, digits = (1, 2) if one.score == "bleu" else (100, 1)
        cells = [f"{factor * value:.{digits}f}" for value in (one.first, one.second)]
        change = f"{factor * (one.second - one.first):+.{digits}f}"
        only = [str(n) for n in one.only] if one.score in RIGHT else ["", ""]
        rows.append([one.split, one.score, str(one.n), *cells, change, *only, p_in_words(one.p)])
    return rows


def show_examples(pairs: dict[str, list[tuple[dict, dict]]], names: tuple[str, str], most: int) -> None:
    """Examples that only one gets right, with what the other wrote."""
    for split, of_split in pairs.items():
        score = RIGHT[0] if of_split[0][0].get(RIGHT[0]) is not None else RIGHT[1]
        for side in (0, 1):
            only = [pair for pair in of_split if pair[side].get(score) and not pair[1 - side].get(score)]
            if not only or not most:
                continue
            print(f"\n{split}: {len(only)} that only {names[side]} gets right")
            for pair in only[:most]:
                print(f"    {' '.join(str(pair[0]['nl']).split())}")
                for name, record in zip(names, pair):
                    print(f"      {name}\n{indent(str(record['prediction']).rstrip(), ' ' * 8)}")
                print()


def plot_curves(first: RunFolder, second: RunFolder, names: tuple[str, str], file: Path) -> None:
    """Plot both runs' loss against steps: a thin line for training, points for the held-out loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for run, name, colour in zip((first, second), names, ("#4c72b0", "#c44e52"), strict=True):
        for key, style in (("loss", {"linewidth": 0.8, "alpha": 0.6}), ("held_out_loss", {"marker": "o"})):
            points = [(record["step"], record[key]) for record in run.metrics if {key, "step"} <= record.keys()]
            if points:
                axis.plot(*zip(*points, strict=True), color=colour, label=f"{name}, {key.replace('_', ' ')}", **style)
    axis.set_xlabel("optimiser steps")
    axis.set_ylabel("loss, nats a token")
    axis.set_yscale("log")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.savefig(file)
    pyplot.close(figure)


def main(arguments: list[str]) -> int:
    """Compare the two runs and print what differs."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.compare")
    check_writable(settings.json)
    check_writable(settings.plot)
    if settings.examples < 0:
        raise UserError(f"--examples {settings.examples} must be at least 0")

    first, second = (read_run_folder(run, read_config_values(run)) for run in (settings.first, settings.second))
    names = (first.name, second.name) if first.name != second.name else (str(settings.first), str(settings.second))
    differing = differing_settings(first, second)
    found, pairs = compare(first, second)

    seeds = [str(run.config.get("seed")) for run in (first, second)]
    rows = [[name, json.dumps(left), json.dumps(right)] for name, left, right in differing]
    print(as_text(["setting", *names], [["seed", *seeds], *rows]))
    columns = ["split", "score", "n", *names, "change", *(f"only {name}" for name in names), "p"]
    print(as_text(columns, score_rows(found)))
    show_examples(pairs, names, settings.examples)

    if settings.plot is not None:
        plot_curves(first, second, names, settings.plot)
    if settings.json is not None:
        values = {"settings": differing, "scores": [one.__dict__ for one in found]}
        write_atomically(settings.json, json.dumps(values, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
