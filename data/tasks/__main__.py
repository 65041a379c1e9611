"""Statistics of the generated tasks: `python -m data.tasks [--seed 0] [--train 100000] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

from data.config import DataConfig
from data.example import Example
from data.tasks.counting import LONGEST_TASK, count_tasks, estimate_tasks
from data.tasks.grammar import OPERATION_NAMES, phrasings
from data.tasks.source import generated_source
from data.tasks.splits import held_pairs
from system.atomic_files import write_atomically

_TOKEN = re.compile(r"\w+|'[^']*'|[^\w\s]+")  # names, numbers, strings, operators


def operation_shares(examples: list[Example]) -> dict[str, float]:
    """Operation -> share of the examples in which it occurs, rarest first."""
    counts = Counter(op for example in examples for op in set(example.meta["ops"]))
    return dict(sorted(((op, counts[op] / len(examples)) for op in OPERATION_NAMES), key=lambda pair: pair[1]))


def split_statistics(examples: list[Example]) -> dict[str, Any]:
    """The statistics of one split."""
    shares = operation_shares(examples)
    rarest = next(iter(shares))
    numbers = {
        "tasks": len(examples),
        "two_or_more_operations": fmean(len(e.meta["ops"]) >= 2 for e in examples),
        "rarest_operation": rarest,
        "rarest_operation_share": shares[rarest],
        "mean_operations": fmean(len(e.meta["ops"]) for e in examples),
        "mean_words": fmean(len((e.nl or "").split()) for e in examples),
        "mean_code_lines": fmean(len(e.code.splitlines()) for e in examples),
        "mean_code_tokens": fmean(len(_TOKEN.findall(e.code)) for e in examples),
        "different_normalised_programs": len({e.meta["normalised"] for e in examples}),
    }
    if "normalised_is_new" in examples[0].meta:
        numbers["normalised_is_new"] = fmean(e.meta["normalised_is_new"] for e in examples)
    return numbers


def statistics(config: DataConfig, seed: int, draws: int) -> dict[str, Any]:
    """Everything that the command prints."""
    said = phrasings()
    lower, share = estimate_tasks(draws, seed)
    splits, examples, seconds = {}, {}, {}

    for name, iterator in generated_source(config, seed).splits().items():
        start = time.perf_counter()
        drawn = list(iterator)
        seconds[name] = time.perf_counter() - start
        splits[name] = split_statistics(drawn)
        examples[name] = [{"nl": e.nl, "code": e.code, "tests": list(e.tests)} for e in drawn[:3]]

    return {
        "seed": seed,
        "operations": len(OPERATION_NAMES),
        "fewest_phrasings": min(map(len, said.values())),
        "mean_phrasings": fmean(map(len, said.values())),
        "held_out_pairs": len(held_pairs()),
        "counted_tasks": count_tasks(),
        "longest_counted_task": LONGEST_TASK,
        "accepted_share": share,
        "different_tasks_at_least": lower,
        "seconds": seconds,
        "splits": splits,
        "examples": examples,
    }


def _print(numbers: dict[str, Any]) -> None:
    print(f"{numbers['operations']} operations with at least {numbers['fewest_phrasings']} phrasings each "
          f"({numbers['mean_phrasings']:.1f} in the mean), {numbers['held_out_pairs']} pairs held out")
    print(f"at least {numbers['different_tasks_at_least']:,} different normalised tasks of up to "
          f"{numbers['longest_counted_task']} operations ({numbers['counted_tasks']:,} counted, "
          f"{numbers['accepted_share']:.1%} of a sample accepted)")
    for name, split in numbers["splits"].items():
        print(f"\n{name} ({numbers['seconds'][name]:.1f} s)")
        for key, value in split.items():
            print(f"  {key:32} {f'{value:.3f}' if isinstance(value, float) else value}")
        for example in numbers["examples"][name]:
            print("  -", example["nl"])
            print("\n".join("      " + line for line in example["code"].splitlines()))


def main(arguments: list[str]) -> int:
    """Print the statistics; with --json write them too. 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m data.tasks", description=__doc__.partition(":")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=DataConfig.generated_train, help="training tasks to draw")
    parser.add_argument("--test", type=int, default=DataConfig.generated_test, help="tasks to draw in each test split")
    parser.add_argument("--draws", type=int, default=3000, help="draws for the estimate of the number of tasks")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    options = parser.parse_args(arguments)

    try:
        config = DataConfig(generated_train=options.train, generated_test=options.test)
        if options.draws < 1:
            raise ValueError(f"--draws {options.draws} must be at least 1")
        if options.json and not options.json.parent.is_dir():
            raise ValueError(f"--json {options.json}: there is no such folder")
        numbers = statistics(config, options.seed, options.draws)
        _print(numbers)
        if options.json:
            write_atomically(options.json, json.dumps(numbers, indent=1) + "\n")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
