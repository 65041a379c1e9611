"""Do the scorers of two trees say the same? Both are given the same predictions, right ones and spoilt ones.

The predictions are the code of the corpus's own test lines, every third altered: a word is missing, another name or
number, a program that does not end, that raises, that would be refused (it imports `os`, or `socket`), nothing at all,
what does not parse. Each tree's eval.py scores them in the place of what a network writes, and what a result line would
say is compared, every figure with its interval, and every example's own 0 or 1.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import train
from data.splits import read_splits
from evaluation.finished_run import read_run_folder
from experiments.record.lines import SHOWN_BESIDE
from experiments.record.trees import ONE_THREAD, Starter, Tree, ask
from training.run.folder import read_config
from training.run.old_settings import flat
from training.run.own import adopt

SCORED_LINES = 300  # at most, of each split
ALTERED_EVERY = 3
VERDICTS = ("exact", "passed", "status", "score")  # what predictions.jsonl says of an example beside its texts
SCORE_ROWS = """
import json, sys
from pathlib import Path
from experiments.benchmarks import __main__ as benchmark

name, run = sys.argv[1], Path(sys.argv[2])
settings, _ = benchmark.read_config(run, benchmark.train.Settings)
splits = benchmark.read_splits(settings.corpus, settings.data, settings.seed)
lines = [json.loads(line) for line in (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
rows = benchmark.score_rows(name, splits, {(line["split"], line["id"]): line["prediction"] for line in lines})
print(json.dumps({row.pop("row"): row for row in rows}))
"""


def given_predictions(run: Path, most: int = SCORED_LINES) -> dict[str, list[str]]:
    """Split -> the predictions that both trees score, for the corpus of a run of this tree. Raises UserError."""
    settings, _ = read_config(run, train.Settings)
    splits = read_splits(settings.corpus, settings.data, settings.seed)
    return {
        split: partly_altered([example.code for example in islice(examples, most)])
        for split, examples in splits.tests.items()
    }


def partly_altered(codes: Sequence[str]) -> list[str]:
    """The codes, every third one altered, in one way after the other."""
    found = list(codes)
    for turn, index in enumerate(range(ALTERED_EVERY - 1, len(found), ALTERED_EVERY)):
        ways = altered(found[index])
        found[index] = ways[turn % len(ways)]
    return found


def altered(code: str) -> list[str]:
    """The code in eight other ways; they are texts in the first place, so the language does not matter."""
    words = code.split(" ")
    middle = len(words) // 2
    names = list(re.finditer(r"\w+", code))
    end = names[-1].end() if names else len(code)
    return [
        " ".join([*words[:middle], *words[middle + 1 :]]),
        f"{code[:end]}0{code[end:]}",  # the last name or number is another one
        f"while True:\n    pass\n{code}",
        f"[][0]\n{code}",
        f"import os\nos.remove('there is no such file')\n{code}",
        f"import socket\nsocket.socket()\n{code}",
        "",
        f"{code} )",
    ]


def scored_figures(
    starter: Starter, tree: Tree, run: Path, given: Path, folder: Path, benchmark: str = "", options: Sequence[str] = ()
) -> dict[str, Any]:
    """Name -> value of all that a tree's scorers say of the given predictions, scored in a copy of one of its runs.

    benchmark: whose own columns are asked for too; options: more of eval.py's. Raises TreeError.
    """
    eval_in_copy(starter, tree, run, folder, ["--limit", str(SCORED_LINES), *options], given)
    found = read_run_folder(folder, {})
    parts = {
        "scores": found.scores, "baselines": found.baselines,
        **{name: found.beside[name] for name in SHOWN_BESIDE if name in found.beside},
        "examples": {
            f"{line['split']} {line['id']}": {name: line[name] for name in VERDICTS if name in line}
            for line in found.predictions
        },
    }  # fmt: skip
    if benchmark:  # it refuses to leave lines out, but in a trial
        parts["benchmark"] = ask(tree, SCORE_ROWS, benchmark, str(folder.resolve()), CI_STEPS="1")
    return flat(parts)


def eval_in_copy(
    starter: Starter, tree: Tree, run: Path, folder: Path, options: Sequence[str], given: Path | None = None
) -> None:
    """Let a tree's eval.py write and score in a copy of one of its runs. Raises TreeError."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoints"))
    adopt(folder)
    starter.run(tree, "eval", ["--run", str(folder), *options, *ONE_THREAD], given=given)


def first_other_figure(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first figure of the older tree that is missing in the newer one, or another there, in words; "" if none is.

    What the newer one says in addition is no difference: no older line has it.
    """
    for name, before in old.items():
        what = f"scores of the same predictions: {name}"
        if name not in new:
            return f"{what} is missing now"
        if json.dumps(new[name]) != json.dumps(before):  # so that NaN is itself, and 1 is not 1.0
            return f"{what} {new[name]!r} instead of {before!r}"
    return ""
