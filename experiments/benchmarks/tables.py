"""Figures of a benchmark: ours, of what learns nothing, and the published ones, in columns that compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.corpora.held_out import duplicates
from data.example import Example
from data.splits import Splits
from evaluation.baselines import baseline_predictions
from evaluation.metrics import exact_matches, pack_bits
from experiments.benchmarks.columns import COLUMNS, EXACT
from experiments.benchmarks.published import NOTES, PUBLISHED
from experiments.record.cells import as_text, code, table
from experiments.record.commands import todays_command
from experiments.record.compact_lines import Line
from experiments.record.measurement import rounded
from experiments.record.records import records
from system.errors import UserError
from system.trial import step_cap

HEAD = "Made from nothing by one command; in brackets 95% intervals *over examples*. Figures compare within a column.\n"
NOTHING = "–"
OURS = "this project"
THEIRS = "the corpus's own code"  # shows that the tests can be passed where they run


def score_rows(name: str, splits: Splits, predictions: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Every split, whole and without the pairs that stand in training too: ours, and what learns nothing.

    Where a benchmark brings tests, the corpus's own programs are put to them too.
    `predictions`: (split, id) -> code. Raises UserError where one is missing: nothing is skipped, but in a trial.
    """
    rows = []
    for split, examples in splits.tests.items():
        examples = list(examples)
        references = [example for example in examples if (split, example.id) in predictions]
        if len(references) < len(examples) and not step_cap():
            raise UserError(f"{split}: {len(references)} of {len(examples)} lines were decoded; score the run again")
        if not references:
            continue
        codes = {OURS: [predictions[split, example.id] for example in references]}
        codes |= baseline_predictions(splits.train, [example.nl or "" for example in references])
        if all(example.tests for example in references):
            codes[THEIRS] = [example.code for example in references]
        known = duplicates(splits.published, references)
        new = [index for index, example in enumerate(references) if example.id not in known]
        parts = {split: range(len(references)), f"{split}, new pairs": new}
        if len(new) in (0, len(references)):
            del parts[f"{split}, new pairs"]
        for part, indices in parts.items():
            asked = [references[index] for index in indices]
            for who, written in codes.items():
                rows += figures(name, part, who, asked, [written[index] for index in indices])
    return rows


def figures(
    name: str, part: str, who: str, references: Sequence[Example], codes: Sequence[str]
) -> list[dict[str, Any]]:
    """One row a column."""
    rows = []
    for column, score in COLUMNS[name].items():
        found = score(references, codes)
        bits = {"bits": pack_bits(exact_matches(references, codes))} if score is EXACT and who == OURS else {}
        rows.append({
            "row": f"{name}, {part}, {column}" + ("" if who == OURS else f", {who}"), "part": part, "who": who,
            "column": column, "unit": "BLEU" if "BLEU" in column else "%", "n": found["n"], **rounded(found), **bits,
        })  # fmt: skip
    return rows


def table_cells(name: str, rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and lines: each part of the benchmark with what learns nothing below it, then what is published."""
    columns = list(COLUMNS[name])
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        line = lines.setdefault((row["part"], row["who"]), {"n": f"{row['n']:,}"})
        line[row["column"]] = f"{row['value']:.1f} ({row['low']:.1f} to {row['high']:.1f})"
    cells = [
        [part if who == OURS else f"  {who}", line["n"], *(line.get(column, NOTHING) for column in columns)]
        for (part, who), line in lines.items()
    ]
    for published in PUBLISHED[name]:
        shown = [f"{published.figures[column]:.1f}" if column in published.figures else NOTHING for column in columns]
        note = f"; {published.note}" if published.note else ""
        cells.append([f"published: {published.name}{note}", "", *shown])
    units = [f"{column} (%)" if "BLEU" not in column else column for column in columns]
    return ["lines", "n", *units], cells


def result_table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    return as_text(*table_cells(name, rows))


def page_section(name: str, lines: Sequence[Line]) -> str:
    """A benchmark's page; of several results the last."""
    of_name = [line for line in records(lines) if line.row.startswith(f"{name}, ")]
    if not of_name:
        return "Not run.\n"
    newest = of_name[-1]
    same = ("command", "commit", "code_hash", "machine", "data_hash", "scored_by")
    rows = [line for line in of_name if all(getattr(line, key) == getattr(newest, key) for key in same)]
    made = f"{newest.minutes:.1f} minutes of two cores' training, {newest.parameters / 1e6:.1f} M parameters"
    return (
        f"{HEAD}\n{table(*table_cells(name, [*map(vars, rows)]))}\n{NOTES[name]} {made}; "
        f"{code(todays_command(newest.command))}\n"
    )
