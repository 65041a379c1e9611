"""Figures of a benchmark: ours, of what learns nothing, and the published ones, in columns that compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.corpora.held_out import duplicates
from data.example import Example
from data.splits import Splits
from evaluation.baselines import baseline_predictions
from evaluation.metrics import exact_matches, pack_bits
from experiments.benchmarks.columns import COLUMNS, EXACT
from experiments.benchmarks.published import NOTES, PUBLISHED, TEST_DUPLICATES, Published
from experiments.benchmarks.recipes import BENCHMARKS, Benchmark
from experiments.record.cells import NOTHING, as_text, code, table
from experiments.record.commands import todays_command
from experiments.record.lines import said_of_codes
from experiments.record.measurement import MeasuredRow, rounded_score
from experiments.record.records import Measured, Record, figures
from system.errors import UserError
from system.trial import step_cap

BENCHMARK_HEAD = """\
Made from nothing by one command; in brackets 95% intervals *over examples*. Figures compare within a column.
A row of ours beats what learns nothing where its whole interval lies above that figure, and says where it does not. How
many networks others use and what they pretrain is written down from memory of their papers.
"""
THIS_PROJECT = "this project"
CORPUS_CODE = "the corpus's own code"  # shows that the tests can be passed where they run

OfPart = Mapping[tuple[str, str], Mapping[str, Measured]]  # part and whose code -> column -> figure


def score_rows(name: str, splits: Splits, predictions: Mapping[tuple[str, str], str]) -> list[MeasuredRow]:
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

        codes = {THIS_PROJECT: [predictions[split, example.id] for example in references]}
        codes |= baseline_predictions(splits.train, [example.nl or "" for example in references])
        if all(example.tests for example in references):
            codes[CORPUS_CODE] = [example.code for example in references]

        known = duplicates(splits.published, references)
        new = [index for index, example in enumerate(references) if example.id not in known]
        parts = {split: range(len(references)), f"{split}, new pairs": new}
        if len(new) in (0, len(references)):
            del parts[f"{split}, new pairs"]

        for part, indices in parts.items():
            references_of_part = [references[index] for index in indices]
            for who, written in codes.items():
                rows += rows_of_part(name, part, who, references_of_part, [written[index] for index in indices])
    return rows


def rows_of_part(
    name: str, part: str, who: str, references: Sequence[Example], codes: Sequence[str]
) -> list[MeasuredRow]:
    """One row for each column of the benchmark, of one part of the examples and one author of the code."""
    rows = []
    for column, score in COLUMNS[name].items():
        found = score(references, codes)
        bits = {"bits": pack_bits(exact_matches(references, codes))} if score is EXACT and who == THIS_PROJECT else {}
        rows.append({
            "row": f"{name}, {part}, {column}" + ("" if who == THIS_PROJECT else f", {who}"), "part": part, "who": who,
            "column": column, "unit": "BLEU" if "BLEU" in column else "%", "n": found["n"],
            **rounded_score(found), **bits,
        })  # fmt: skip
    return rows


def table_cells(
    name: str, rows: Sequence[Measured], greedy: Measured | None = None
) -> tuple[list[str], list[list[str]]]:
    """Head and lines: each part of the benchmark with what learns nothing below it, then what is published.

    `greedy`: the figure of one of our networks alone, decoded greedily, in the benchmark's first column.
    """
    columns = list(COLUMNS[name])
    lines: dict[tuple[str, str], dict[str, Measured]] = {}
    for row in rows:
        lines.setdefault((row.part, row.who), {})[row.column] = row

    units = [f"{column} (%)" if "BLEU" not in column else column for column in columns]
    cells = []
    for (part, who), line in lines.items():
        shown = [with_interval(line[column]) if column in line else NOTHING for column in columns]
        n = f"{next(iter(line.values())).n:,}"
        if who != THIS_PROJECT:
            cells.append([f"  {who}", n, *shown, NOTHING, NOTHING, NOTHING])
            continue
        networks, how = decoding_in_words(BENCHMARKS[name])
        ours = [networks, pretraining_in_words(BENCHMARKS[name]), "measured"]
        cells.append([f"{part}: {how}{not_beaten(part, lines)}", n, *shown, *ours])
        if greedy and part == "dev":
            alone = [with_interval(greedy), *[NOTHING] * (len(columns) - 1)]
            cells.append([f"{part}: one network, greedy", f"{greedy.n:,}", *alone, "1", *ours[1:]])

    cells += as_in_test_lines(name, columns, lines)
    cells += [published_cells(published, columns) for published in PUBLISHED[name]]
    return ["lines", "n", *units, "networks", "pretrained", "source"], cells


def with_interval(row: Measured) -> str:
    """A figure of ours and its interval over examples."""
    return f"{row.value:.1f} ({row.low:.1f} to {row.high:.1f})"


def published_cells(published: Published, columns: Sequence[str]) -> list[str]:
    """A published system's line, with as many digits as were published."""
    shown = [f"{published.figures[column]:g}" if column in published.figures else NOTHING for column in columns]
    note = f"; {published.note}" if published.note else ""
    return [
        f"published: {published.name}{note}", "", *shown, published.networks, published.pretrained, published.source
    ]


def decoding_in_words(benchmark: Benchmark) -> tuple[str, str]:
    """How many networks write and choose, and the same with the way of decoding: "3, and 1 that reranks"."""
    options = dict(zip(benchmark.scoring, benchmark.scoring[1:], strict=False))
    reranks = "--reverse" in options
    writers = len(benchmark.decoding) - reranks or 1
    number = {1: "one network", 2: "two networks", 3: "three networks"}.get(writers, f"{writers} networks")
    said = [number, *["reverse reranker"] * reranks, f"beam {options['--beam']}" if "--beam" in options else "greedy"]
    return f"{writers}, and 1 that reranks" if reranks else str(writers), ", ".join(said)


def pretraining_in_words(benchmark: Benchmark) -> str:
    """What a recipe of ours pretrains on."""
    return "mined code and text" if any(stage.name == "pretrained" for stage in benchmark.stages) else "nothing"


def not_beaten(part: str, lines: OfPart) -> str:
    """The columns in which our whole interval does not lie above the nearest training example, in words; or nothing."""
    ours, said = lines[part, THIS_PROJECT], []
    for column, row in ours.items():
        nearest = [of[column].value for (of_part, who), of in lines.items() if of_part == part and "nearest" in who]
        if nearest and row.low <= max(nearest):
            said.append(column)
    return f"; **does not beat the nearest description** ({', '.join(said)})" if said else ""


def as_in_test_lines(name: str, columns: Sequence[str], lines: OfPart) -> list[list[str]]:
    """Our dev figures at the test file's share of pairs that stand in training, where it is known and dev has another.

    With n lines and m new ones a score s and that of the new lines s' give the duplicates' own, (ns - ms') / (n - m).
    """
    share = TEST_DUPLICATES.get(name)
    whole, new = (lines.get((part, THIS_PROJECT)) for part in ("dev", "dev, new pairs"))
    if share is None or not whole or not new:
        return []
    shown = []
    for column in columns:
        if column not in whole or column not in new:
            shown.append(NOTHING)
            continue
        (s, n), (of_new, m) = ((line[column].value, line[column].n) for line in (whole, new))
        known = (n * s - m * of_new) / (n - m)
        shown.append(f"{(1 - share) * of_new + share * known:.1f}")
    networks, how = decoding_in_words(BENCHMARKS[name])
    ours = [networks, pretraining_in_words(BENCHMARKS[name]), "from the two rows above"]
    return [[f"dev, weighed as the test file ({share:.1%} of its pairs stand in training): {how}", "", *shown, *ours]]


def result_table(name: str, rows: Sequence[Measured]) -> str:
    """The table for the terminal."""
    return as_text(*table_cells(name, rows))


def page_section(name: str, lines: Sequence[Record], choosing: Sequence[Record] = ()) -> str:
    """A benchmark's page, with the last of several results.

    `choosing`: lines of `python -m experiments.studies.choosing`, which decodes Django's dev lines by one network too.
    """
    of_name = [line for line in figures(lines) if line.row.startswith(f"{name}, ")]
    if not of_name:
        return "Not run.\n"
    newest = of_name[-1]
    same = ("command", "commit", "code_hash", "machine", "data_hash", "scored_by")
    rows = [line for line in of_name if all(getattr(line, key) == getattr(newest, key) for key in same)]
    alone = [line for line in figures(choosing) if line.row == "one network, greedy"] if name == "django" else []
    made = f"{newest.minutes:.1f} minutes of two cores' training, {newest.parameters / 1e6:.1f} M parameters"
    cells = table_cells(name, rows, alone[-1] if alone else None)
    said = "".join(f"\n{sentence}\n" for sentence in said_of_codes(lines, [newest.code_hash]))
    return f"{BENCHMARK_HEAD}\n{table(*cells)}\n{NOTES[name]} {made}; {code(todays_command(newest.command))}\n{said}"
