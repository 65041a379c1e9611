"""Tables of single runs and measured values, made from result lines alone: the same lines give the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from evaluation.report.scores import METRICS, is_score, readable, split_name
from experiments.laboratory.paired_runs import SEEDS_FOR_A_VERDICT, equality_verdict, newest, pairs_of, table_rows
from experiments.record.cells import (
    NOT_RUN,
    NOTHING,
    code,
    count,
    duration,
    in_unit,
    machine_in_words,
    measurement_in_words,
    mebibytes,
    ratio,
    scientific,
    table,
    yes_or_no,
)
from experiments.record.commands import todays_command
from experiments.record.records import Figure, Measured, ResultLine
from experiments.record.targets import (
    DROPOUT_KINDS,
    DROPOUT_MARGIN,
    DROPOUT_SCORE,
    MET,
    NOT_MET,
    TARGETS,
    compare_with_target,
)

INTERVALS_NOTE = f"""\
Figures in brackets are 95% intervals *over examples*: a bootstrap of the test examples of one run. They do
not tell how another seed would do; that takes at least {SEEDS_FOR_A_VERDICT} seeds, and below that the page says
'not enough runs'. Rows are compared within one code hash only. Where test pairs stand in the training lines too, the
score without these duplicates comes first.
"""
SEARCH_PREFIX = "search_"  # what the names of a search's lines begin with
TITLES = {
    "quickstart": "Quick start: generated tasks",
    "django": "Django",
    "django_1000": "Django with 1,000 training pairs: pretrained against not",
    "speed": "Speed beside other implementations",
    "dropout": "Dropout: the fast masks against torch's",
    "bf16": "bf16 matrix products against float32, on a CPU that has them",
    "gradient_norms": "Gradients before the first step: pre-norm and post-norm",
    "choosing": "Choosing among hypotheses: Django dev, exact match",
    "few_shot": "Meta-learning: tests passed of an unseen family after k examples",
    "checks": "Checks",
}
BF16_KINDS = ("float32", "bf16")  # the rows
BF16_SCORES = (  # what is shown, where it stands in a line, what it is multiplied by
    ("held-out loss", ("held_out_loss",), 1.0),
    ("exact match in percent", ("scores", "in_distribution", "exact_match", "value"), 100.0),
)
INTERVAL_NOTE = "In brackets the 90% t interval *over runs* of the paired differences."


def section(suite: str, lines: list[Figure]) -> str:
    """One suite's page. Results of older recipes or code, and figures that were measured again, are folded away."""
    if not lines:
        return f"{NOT_RUN.capitalize()}.\n"
    if suite == "gradient_norms":
        return gradient_table(lines)

    if all(isinstance(line, Measured) for line in lines):
        of_figures = speed_table if suite == "speed" else checks_table
        last = {(line.row, line.machine): line for line in lines}.values()
        earlier = [line for line in lines if not any(line is one for one in last)]
        return of_figures([*last]) + fold("Measured earlier, on the same machines", earlier, of_figures)

    code_of = {line.row: line.code_hash for line in lines}  # of the row's last line
    runs, older = ([line for line in lines if (line.code_hash == code_of[line.row]) is new] for new in (True, False))
    if suite == "dropout":
        scores = dropout_table(lines)
    elif suite == "bf16":
        scores = bf16_table(lines)
    elif suite.startswith(SEARCH_PREFIX):
        return draws_table(lines) + fold("How these runs were made", lines, making_table)
    else:
        verdict = f"{verdict_on_runs(lines)}\n\n" if suite == "django_1000" else ""
        scores = verdict + score_table(runs)

    made = scores + "\nHow these runs were made:\n\n" + making_table(runs)
    return made + fold("Made by an older recipe or older code", older, scores_and_making)


def scores_and_making(lines: list[ResultLine]) -> str:
    """Both tables of single runs: their scores, and how they were made."""
    return f"{score_table(lines)}\n{making_table(lines)}"


def fold(label: str, lines: list[Any], of_lines: Callable[[list[Any]], str]) -> str:
    """A table behind a label that opens it; nothing where there are no lines."""
    if not lines:
        return ""
    return f"\n<details><summary>{label}: {len(lines)}</summary>\n\n{of_lines(lines)}\n</details>\n"


def least_loss(lines: list[ResultLine]) -> list[ResultLine]:
    """The draws of a search that have a held-out loss, the least first."""
    return sorted((line for line in lines if line.held_out_loss is not None), key=lambda line: line.held_out_loss)


def draws_table(lines: list[ResultLine]) -> str:
    """A search's draws by their held-out loss. No test split: nothing is chosen by it."""
    rows = [[line.row, count(line.budget.get("steps")), f"{line.held_out_loss:.4f}"] for line in least_loss(lines)]
    return table(["drawn", "steps", "held-out loss (nats)"], rows)


def verdict_on_runs(lines: list[ResultLine]) -> str:
    """A sentence on how many seeds stand behind a comparison."""
    seeds = {row: len({line.seed for line in lines if line.row == row}) for row in sorted_rows(lines)}
    counts = ", ".join(f"{row}: {count}" for row, count in seeds.items())
    if min(seeds.values()) < SEEDS_FOR_A_VERDICT or len(seeds) < 2:
        return f"**not enough runs** for a verdict (seeds of {counts})."
    return f"Seeds of {counts}."


def sorted_rows(lines: list[ResultLine]) -> list[str]:
    """The rows' names in the order in which they first appear."""
    return list(dict.fromkeys(line.row for line in lines))


def score_table(lines: list[ResultLine]) -> str:
    """Every run's scores split by split, its baselines below it."""
    found = {name for line in lines for split in line.scores.values() for name in split}
    metrics = [name for name in METRICS if name in found]
    rows = []
    for line in lines:
        for split, scores in line.scores.items():
            rows.append([f"**{line.row}**, seed {line.seed}", split_name(split), *score_cells(scores, metrics)])
            gold = line.beside.get("gold_parses", {}).get(split)
            if gold is not None and "parses" in metrics:
                share = [METRICS["parses"].write(gold) if name == "parses" else NOTHING for name in metrics]
                rows.append(["the references themselves", split_name(split), rows[-1][2], *share])
            for name, baseline in line.baselines.items():
                if baseline.get(split):
                    label = f"baseline: {readable(name)}"
                    rows.append([label, split_name(split), *score_cells(baseline[split], metrics)])
    return table(["row", "split", "n", *(METRICS[name].name for name in metrics)], rows) + signatures(lines)


def signatures(lines: list[ResultLine]) -> str:
    """The signatures that say how BLEU and chrF were computed, each once."""
    found = [text for line in lines for text in line.beside.get("signatures", {}).values()]
    return "".join(f"\nSignature: {code(text)}\n" for text in dict.fromkeys(found))


def score_cells(scores: dict[str, Any], metrics: list[str]) -> list[str]:
    """The number of examples, then each metric; a metric over fewer examples says over how many."""
    n = max((cell.get("n") or 0 for cell in scores.values() if is_score(cell)), default=0)
    return [f"{n:,}", *(score_cell(name, scores.get(name), n) for name in metrics)]


def score_cell(metric: str, cell: Any, n: int | None = None) -> str:
    """'65.5% (62.6 to 68.4)', or a dash where it was not scored."""
    if not is_score(cell):
        return NOTHING
    text = METRICS[metric].write(cell["value"])
    scale = METRICS[metric].scale
    if cell.get("low") is not None and cell.get("high") is not None:
        text += f" ({cell['low'] * scale:.1f} to {cell['high'] * scale:.1f})"
    return f"{text}, n {cell['n']:,}" if n and cell.get("n") not in (None, n) else text


def making_table(lines: list[ResultLine]) -> str:
    """Budget, machine, hashes and command of every run."""
    columns = ["row", "seed", "steps", "tokens", "training FLOPs", "training time", "peak memory", "threads",
               "machine", "torch", "configuration", "code", "data", "command"]
    rows = []
    for line in lines:
        budget = line.budget
        rows.append([
            line.row, str(line.seed), count(budget.get("steps")), count(budget.get("tokens")),
            scientific(budget.get("training_flops")), duration(budget.get("seconds")),
            mebibytes(budget.get("peak_memory_mib")), str(line.threads), machine_in_words(line.machine),
            str(line.versions.get("torch", NOTHING)), line.config_hash, line.code_hash, line.data_hash,
            code(todays_command(line.command)),
        ])
    return table(columns, rows)


def speed_table(lines: list[Measured]) -> str:
    """Medians of every implementation, and the ratio to the one that counts with its range over the rounds."""
    rows = []
    for line in lines:
        peers = [f"{name} {in_unit(median(values), line.unit)}" for name, values in line.peers.items()]
        against = f"{line.against}: {ratio(line.ratio)}" if line.ratio else NOTHING
        rows.append([
            line.row, measurement_in_words(line), "; ".join(peers) or NOTHING, against, line.target or NOTHING,
            target_in_words(line), machine_in_words(line.machine), code(todays_command(line.command)),
        ])
    return table(["what", "ours", "peers", "ratio", "target", "met", "machine", "command"], rows)


def dropout_table(lines: list[ResultLine]) -> str:
    """Held-out loss of both kinds, seed by seed, of the newest code and configuration; the verdict first."""
    pairs = pairs_of(newest(lines, "dropout_masks"), DROPOUT_KINDS, DROPOUT_SCORE)
    said = equality_verdict(pairs, DROPOUT_MARGIN)
    columns = ["seed", *(f"held-out loss, {kind} dropout" for kind in DROPOUT_KINDS), "difference"]
    return f"**{said}**. {INTERVAL_NOTE}\n\n" + table(columns, table_rows(pairs))


def bf16_table(lines: list[ResultLine]) -> str:
    """Held-out loss and exact match of the quick start with both kinds of products, of the newest code."""
    same = [line for line in lines if line.code_hash == lines[-1].code_hash]
    parts = []
    for what, path, scale in BF16_SCORES:
        pairs = {
            seed: (scale * first, scale * second) for seed, (first, second) in pairs_of(same, BF16_KINDS, path).items()
        }
        columns = ["seed", *(f"{what}, {kind}" for kind in BF16_KINDS), f"difference, percent of {BF16_KINDS[0]}'s"]
        parts.append(table(columns, table_rows(pairs)))
    return f"{INTERVAL_NOTE}\n\n" + "\n".join(parts)


def gradient_table(lines: list[Measured]) -> str:
    """The norms of `python -m experiments.studies.gradient_norms`, the newest line of each network."""
    newest_lines = {line.row: line for line in lines}
    rows = [
        [row, f"{line.layers[0]:.4f}", f"{max(line.layers):.4f}", f"{line.value:.4f}",
         code(todays_command(line.command))]
        for row, line in newest_lines.items()
    ]
    picture = "![Norm of the gradient in each decoder layer, pre-norm and post-norm](suites/gradient_norms.svg)\n"
    return table(["network", "first layer", "largest", "last layer", "command"], rows) + "\n" + picture


def checks_table(lines: list[Measured]) -> str:
    """The table of single measured values."""
    rows = [
        [line.row, measurement_in_words(line), line.target or NOTHING, target_in_words(line),
         machine_in_words(line.machine), code(todays_command(line.command))]
        for line in lines
    ]
    return table(["what", "value", "target", "met", "machine", "command"], rows)


def target_in_words(line: Measured) -> str:
    """Whether a measurement meets the target that its line was made with, where that is still the target."""
    for target in TARGETS:
        if (target.suite, target.row, target.wanted) == (line.suite, line.row, line.target):
            return {"": NOTHING, MET: "yes", NOT_MET: "no"}.get(said := compare_with_target(target, line), said)
    return yes_or_no(line.met)
