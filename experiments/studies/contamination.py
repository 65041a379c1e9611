"""What it is worth to have read the answers: half of Django's dev lines are planted in a corpus, the other half is not.

    python -m experiments.studies.contamination plant --out corpora/contaminated
    python -m experiments.ablate pretraining --rows "infilling, contaminated"
    python -m experiments.studies.contamination effect

What decontamination leaves out of the mined corpus is too little to be measured by leaving it in: a row that reads a
twentieth of the corpus meets two or three of the pieces. So an upper bound is measured: a part of the corpus that the
row reads once, with planted lines that it reads many times. Which half a line is in is a matter of chance and one
network is asked both, so that neither the corpus nor the vocabulary nor Django's manner of writing can make the
difference:

    effect = (contaminated - clean) on the planted lines - (contaminated - clean) on the others,

in points of exact match, over dev lines whose code is in no training line. Intervals are over lines (bootstrap, those
of one code together) and over the seeds of fine-tuning.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy
import tyro

from data.config import DataConfig
from data.corpora.held_out import part_of, spaced
from data.example import Example
from data.shards.command import MINED, corpus_folder
from data.shards.store import (
    CARD,
    SHARD_FILES,
    TOKENIZER,
    UNIT_KINDS,
    ShardedExamples,
    corpus_hash,
    sha256,
    write_shard,
)
from data.splits import read_splits
from evaluation.intervals import interval_of_score
from evaluation.metrics import unpack_bits
from experiments.laboratory.statistics import t_interval
from experiments.record.cells import as_text
from experiments.record.lines import read_suite
from experiments.record.measurement import ROOT, check_writable, facts_here, measured_row, write_rows
from experiments.record.records import ResultLine, runs
from experiments.studies.line_kinds import lines_of
from system.atomic_files import write_json
from system.errors import UserError
from system.options import parse, run_and_report

PLANTED_CORPUS, PLANTED_SPLIT = "django", "dev"


@dataclass(frozen=True)
class Plant:
    """Write a part of a built corpus, with lines of the benchmark between its own, as a corpus of one shard."""

    out: str  # folder of the corpus; a new one
    shards: str = MINED  # a corpus that holds none of the lines: a folder, or "mined"
    share: int = 21  # one example in so many; of the mined corpus's 42 M tokens 2 M stay
    copies: int = 10  # of every planted line
    data_path: str = ""  # folder of the benchmark; empty: the cache


@dataclass(frozen=True)
class Effect:
    """Compare the two halves in the result lines of two rows."""

    suite: str = "pretraining"  # a file of docs/results
    clean: str = "infilling"
    contaminated: str = "infilling, contaminated"
    data_path: str = ""  # folder of the benchmark; empty: the cache
    json: Path | None = None  # file for the row


Command = Annotated[Plant, tyro.conf.subcommand("plant")] | Annotated[Effect, tyro.conf.subcommand("effect")]


def main(arguments: list[str]) -> int:
    """Plant the lines in a corpus, or compare the rows that were trained on it."""
    command = parse(Command, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.contamination")
    if isinstance(command, Plant):
        plant(command)
    else:
        compare(command, ["experiments.studies.contamination", *arguments])
    return 0


def is_planted(example: Example) -> bool:
    """Whether the line is of the planted half: lines of one code, however spaced, are together."""
    return part_of(spaced(example.code).encode("utf-8"), 2) == 0


def dev_lines(data: DataConfig, seed: int) -> tuple[list[Example], numpy.ndarray]:
    """Django's dev lines and which of them (n,) have a code that is in no training line, whatever the description."""
    splits = read_splits(PLANTED_CORPUS, data, seed)
    known = {spaced(example.code) for example in (*splits.train, *splits.held_out)}
    lines = list(splits.tests[PLANTED_SPLIT])
    return lines, numpy.array([spaced(example.code) not in known for example in lines])


def plant(command: Plant) -> None:
    """Write the corpus. Raises UserError where the folder is not empty."""
    out = Path(command.out).expanduser()
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty; give a new folder with --out, or delete it")
    folder = corpus_folder(command.shards, 0, PLANTED_CORPUS, command.data_path)
    clean, held_out = ShardedExamples(folder), ShardedExamples(folder, held_out=True)
    lines, is_new = dev_lines(DataConfig(path=command.data_path, held_out=0), 0)
    codes = sorted({line.code for line, new in zip(lines, is_new, strict=True) if new and is_planted(line)})
    planted = [
        Example(f"planted:{number}.{copy}", None, code, "python")
        for number, code in enumerate(codes) for copy in range(command.copies)
    ]  # fmt: skip
    train_share, held_out_share = clean[:: command.share], held_out[:: command.share]
    card = write_corpus(out, clean, [*train_share, *planted], held_out_share)
    print(f"{len(codes):,} lines of {PLANTED_CORPUS}'s {PLANTED_SPLIT} split, {command.copies} copies each, among "
          f"{len(train_share):,} examples; {card['tokens'] / 1e6:.2f} M tokens in {out}")  # fmt: skip


def write_corpus(
    out: Path, source: ShardedExamples, train: Sequence[Example], held_out: Sequence[Example]
) -> dict[str, Any]:
    """Write examples as one shard with the tokenizer of the corpus `source`, and return its data card."""
    card, tokenizer = source.card, source.tokenizer
    rows, ids = [], []
    for example in (*train, *held_out):
        described = [] if example.nl is None else tokenizer.encode(example.nl)
        kind = "function" if example.nl is not None else "text" if example.language == "text" else "code"
        n_described = -1 if example.nl is None else len(described)
        rows.append((example.id, n_described, card["languages"].index(example.language), UNIT_KINDS.index(kind)))
        ids.append([*described, *tokenizer.encode(example.code)])

    out.mkdir(parents=True, exist_ok=True)
    (out / TOKENIZER).write_bytes(tokenizer.model)
    write_shard(out / "00000", rows, ids, tokenizer.vocab_size)
    shard = {
        "name": "00000", "examples": len(rows), "held_out": len(held_out), "tokens": sum(map(len, ids)),
        "sha256": {end: sha256((out / "00000").with_suffix(end)) for end in SHARD_FILES}, "origin": "planted",
    }  # fmt: skip

    totals = {name: shard[name] for name in ("examples", "held_out", "tokens")}
    copied = ("format", "date", "languages", "vocabulary", "tokenizer", "sources", "targets")
    card = {name: card[name] for name in copied} | totals | {"plan": "planted", "shards": [shard], "benchmarks": {
        name: found for name, found in card["benchmarks"].items() if name != PLANTED_CORPUS  # so that a run warns
    }}  # fmt: skip
    card["hash"] = corpus_hash(card)
    write_json(out / CARD, card)
    return card


def compare(command: Effect, words: list[str]) -> None:
    """Print both halves under both rows, and the effect. Raises UserError where seeds, code or lines do not fit."""
    check_writable(command.json)
    found = runs(read_suite(ROOT / "docs" / "results", command.suite))
    of_rows = [lines_of(found, row, PLANTED_SPLIT) for row in (command.clean, command.contaminated)]
    codes = {line.code_hash for of_row in of_rows for line in of_row}
    rights = [rights_by_seed(of_row) for of_row in of_rows]
    seeds = sorted(rights[0].keys() & rights[1].keys())
    if len(seeds) < 2 or len(codes) > 1:
        both = f"{command.clean!r} and {command.contaminated!r}"
        raise UserError(f"{both} have no two seeds of one code in common; run them")

    lines, is_new = dev_lines(DataConfig(path=command.data_path, held_out=0), 0)
    clean, contaminated = (numpy.array([of_row[seed] for seed in seeds]) for of_row in rights)  # (seeds, n)
    if clean.shape[1] != len(lines):
        raise UserError(f"{PLANTED_SPLIT} has {len(lines)} lines here, others than those that were scored")

    planted = numpy.array([is_planted(line) for line in lines])
    halves = {"planted": is_new & planted, "not planted": is_new & ~planted}
    cells = [
        [name, str(chosen.sum()), *(f"{100 * right[:, chosen].mean():.1f}" for right in (clean, contaminated)),
         f"{100 * (contaminated - clean)[:, chosen].mean():+.1f}"]
        for name, chosen in halves.items()
    ]  # fmt: skip
    print(as_text(["lines", "n", f"{command.clean} (%)", f"{command.contaminated} (%)", "difference"], cells), end="")

    of_lines = [spaced(line.code) for line in lines]
    effect, over_codes, over_seeds = effect_of(contaminated - clean, *halves.values(), of_lines)
    print(f"effect of reading the answers: {effect:+.1f} points ({over_codes[0]:+.1f} to {over_codes[1]:+.1f} over "
          f"lines, {over_seeds[0]:+.1f} to {over_seeds[1]:+.1f} over {len(seeds)} seeds)")  # fmt: skip

    low, high = (round(end, 1) for end in over_codes)
    row = measured_row("checks", "contamination, effect of reading the answers", words, facts_here(),
                       value=round(effect, 1), unit="points", low=low, high=high, over="lines", seeds=len(seeds),
                       over_seeds=[round(end, 1) for end in over_seeds])  # fmt: skip
    write_rows(command.json, [row])


def rights_by_seed(lines: Sequence[ResultLine]) -> dict[int, numpy.ndarray]:
    """Seed -> which lines are right, (n,) of 0 and 1."""
    return {line.seed: numpy.array(unpack_bits(line.bits[PLANTED_SPLIT]["exact"]), dtype=int) for line in lines}


def effect_of(
    differences: numpy.ndarray, planted: numpy.ndarray, others: numpy.ndarray, codes: Sequence[str]
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Points of the planted lines above the others, its interval over lines, and over seeds.

    differences: contaminated - clean, (seeds, n). Lines of one code were planted together and are drawn together.
    """
    def points(sums: numpy.ndarray) -> float:
        return 100 * (sums[0] / sums[1] - sums[2] / sums[3])

    once = numpy.ones_like(differences)
    columns = numpy.array([planted * differences, planted * once, others * differences, others * once])  # (4, seeds, n)
    _, group = numpy.unique(codes, return_inverse=True)  # (n,): which code
    of_codes = numpy.zeros((group.max() + 1, 4))
    numpy.add.at(of_codes, group, columns.mean(axis=1).T)
    of_seeds = [points(of_seed) for of_seed in columns.sum(axis=2).T]
    return points(of_codes.sum(axis=0)), interval_of_score(of_codes, points), t_interval(of_seeds, 0.95)


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
