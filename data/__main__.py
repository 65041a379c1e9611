"""Commands on corpora: `python -m data fetch NAME`, `stats NAME`, `build [FOLDER...]`, `describe FOLDER`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from data.config import DataConfig
from data.corpora.fetch import PUBLISHED_FILES, fetch
from data.corpora.held_out import duplicates, normalised_pair
from data.example import BadRecords, Example
from data.shards.command import Build, run_build
from data.shards.describe import Describe, run_describe
from data.sources import CORPUS_NAMES, open_source
from system.cache import cache_folder
from system.options import parse, run_and_report
from system.terminal import shown


@dataclass(frozen=True)
class Fetch:
    """Download a published corpus into the user's cache (checked by SHA-256 where one is published)."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar=f"{{{','.join(PUBLISHED_FILES)}}}")]  # the corpus
    to: str = ""  # folder to put the files in; empty: the user's cache, where they are looked for


@dataclass(frozen=True)
class Stats:
    """Count a corpus: its splits, their duplicates of training pairs, bad records, and a few examples."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar=f"{{{','.join(CORPUS_NAMES)}}}")]  # the corpus
    data: DataConfig = DataConfig()
    seed: int = 1  # of generated corpora
    examples: int = 2  # examples shown of each split
    json: str = ""  # file that gets the same figures as JSON


def run_fetch(command: Fetch) -> None:
    """Fetch, then say where the files are and how they were checked."""
    folder = Path(command.to).expanduser() if command.to else cache_folder(command.name)
    for path in fetch(command.name, folder):
        print(shown(path))
    if not all(published.sha256 for published in PUBLISHED_FILES[command.name]):
        print("no SHA-256 is published for this corpus: its form was checked, not its hash")


def run_stats(command: Stats) -> None:
    """Read everything once and print the figures."""
    source = open_source(command.name, command.data, command.seed)
    splits = {split: list(examples) for split, examples in source.splits().items()}
    figures = {
        "name": source.name,
        "language": source.language,
        "splits": {split: split_figures(split, splits) for split in splits},
        "bad": source.bad.counts,
        "remarks": source.bad.remarks,
    }
    print(f"language: {source.language}")
    print(table(figures["splits"]))
    for line in skipped_in_words(source.bad):
        print(shown(line))
    print(f"skipped in all: {sum(source.bad.counts.values())}")
    for split, examples in splits.items():
        for example in examples[: command.examples]:
            print(shown(f"\n{split} {example.id}: {example.nl}\n{example.code}"))
    if command.json:
        Path(command.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8", newline="\n")


def skipped_in_words(bad: BadRecords) -> Iterator[str]:
    """Remarks on files, then the first places of each kind of bad record, and how many more there are of it."""
    yield from bad.remarks
    for reason, count in bad.counts.items():
        places = [place for place in bad.places if place.endswith(f": {reason}")]
        yield from (f"skipped {place}" for place in places)
        told = sum(n for (kind, place), n in bad.seen.items() if kind == reason and f"{place}: {reason}" in places)
        if count > told:
            yield f"skipped {count - told:,} more: {reason}"


def split_figures(split: str, splits: dict[str, list[Example]]) -> dict[str, Any]:
    """The counts of one split; lengths are medians in characters, `distinct` counts normalised pairs."""
    examples = splits[split]
    return {
        "examples": len(examples),
        "distinct": len({normalised_pair(example) for example in examples}),
        "in_training": None if split == "train" else len(duplicates(splits.get("train", []), examples)),
        "with_tests": sum(bool(example.tests) for example in examples),
        "description_length": statistics.median([len(example.nl or "") for example in examples] or [0]),
        "code_length": statistics.median([len(example.code) for example in examples] or [0]),
    }


def table(splits: dict[str, dict[str, Any]]) -> str:
    """The figures as columns of text, one line per split."""
    heads = ("split", "examples", "distinct", "in training", "with tests", "median description", "median code")
    values = (("-" if value is None else str(value) for value in figures.values()) for figures in splits.values())
    rows = [heads, *((split, *row) for split, row in zip(splits, values, strict=True))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


RUN = {Fetch: run_fetch, Stats: run_stats, Build: run_build, Describe: run_describe}


def main() -> int:
    """Run one command; 0 when it worked, 2 for bad input, 130 when it was stopped by the user."""
    return run_and_report(run_command, sys.argv[1:])


def run_command(argv: list[str]) -> int:
    """Run the command that these words name. Raises UserError."""
    try:
        commands = Fetch | Stats | Build | Describe
        command = parse(commands, argv, None, "Bring corpora here and look into them.", "python -m data")
        RUN[type(command)](command)
    except KeyboardInterrupt:
        print("stopped; nothing is lost, run the same command again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
