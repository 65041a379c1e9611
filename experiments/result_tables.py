"""docs/results.md and README's table as Markdown, made from result lines alone: the same lines give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from evaluation.report_scores import METRICS, is_score, readable, split_name
from experiments.compact_lines import Line
from experiments.laboratory.statistics import p_in_words
from experiments.paired_runs import SEEDS_FOR_A_VERDICT, equality_verdict, newest, pairs_of, table_rows
from experiments.result_lines import look_up
from experiments.result_records import Measured, Record, ResultLine, records
from experiments.targets import MET, NOT_MET, TARGETS, Target, in_target_words

NOT_RUN = "not run"
PARTS = {  # which examples a score in README's table is over
    "exact_match_without_duplicates": "without duplicates ",
    "exact_match": "all lines ",
    "tests_passed_new_programs": "new programs ",
    "tests_passed": "all tasks ",
}
HEAD = f"""# Results

Made by `python -m experiments.results` from the lines in `docs/results/*.jsonl`; changes by hand are overwritten.

Figures in brackets are 95% intervals *over examples*: a bootstrap of the test examples of one run. They do not tell
how another seed would do; that takes at least {SEEDS_FOR_A_VERDICT} seeds, and below that the page says
'not enough runs'. Rows are compared within one code hash only. Where test pairs stand in the training lines too, the
score without these duplicates comes first.
"""
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
INTERVAL = "In brackets the 90% t interval *over runs* of the paired differences."
DROPOUT_KINDS = ("torch", "fast")  # the rows of experiments/dropout_check.py
DROPOUT_SCORE = ("scores", "held_out", "held_out_loss", "value")
DROPOUT_MARGIN = 1.0  # percent of torch's held-out loss: the smallest difference that counts


def results_page(suites: dict[str, list[Line]]) -> str:
    """The whole of docs/results.md."""
    names = [*TITLES, *(name for name in suites if name not in TITLES)]
    found = {name: records(suites.get(name, [])) for name in names}
    return HEAD + "".join(f"\n## {TITLES.get(name, name)}\n\n{section(name, found[name])}" for name in names)


def section(suite: str, lines: list[Record]) -> str:
    """One suite's part of the page."""
    if not lines:
        return f"{NOT_RUN.capitalize()}.\n"
    if suite == "speed":
        return speed_table(lines)
    if suite == "gradient_norms":
        return gradient_table(lines)
    if all(isinstance(line, Measured) for line in lines):
        return checks_table(lines)
    if suite == "dropout":
        scores = dropout_table(lines)
    elif suite == "bf16":
        scores = bf16_table(lines)
    else:
        verdict = f"{verdict_on_runs(lines)}\n\n" if suite == "django_1000" else ""
        scores = verdict + score_table(lines)
    return scores + "\nHow these runs were made:\n\n" + making_table(lines)


def verdict_on_runs(lines: list[ResultLine]) -> str:
    """A word on how many seeds stand behind a comparison."""
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
                share = [METRICS["parses"].write(gold) if name == "parses" else "–" for name in metrics]
                rows.append(["the references themselves", split_name(split), rows[-1][2], *share])
            for name, baseline in line.baselines.items():
                if baseline.get(split):
                    label = f"baseline: {readable(name)}"
                    rows.append([label, split_name(split), *score_cells(baseline[split], metrics)])
    return table(["row", "split", "n", *(METRICS[name].name for name in metrics)], rows) + signatures(lines)


def signatures(lines: list[ResultLine]) -> str:
    """What exactly BLEU and chrF are, each signature once."""
    found = [text for line in lines for text in line.beside.get("signatures", {}).values()]
    return "".join(f"\nSignature: {code(text)}\n" for text in dict.fromkeys(found))


def score_cells(scores: dict[str, Any], metrics: list[str]) -> list[str]:
    """n, then each metric; a metric over fewer examples says over how many."""
    n = max((cell.get("n") or 0 for cell in scores.values() if is_score(cell)), default=0)
    return [f"{n:,}", *(score_cell(name, scores.get(name), n) for name in metrics)]


def score_cell(metric: str, cell: Any, n: int | None = None) -> str:
    """'65.5% (62.6 to 68.4)', or a dash where it was not scored."""
    if not is_score(cell):
        return "–"
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
            mebibytes(budget.get("peak_memory_mib")), str(line.threads), line.machine,
            str(line.versions.get("torch", "–")), line.config_hash, line.code_hash, line.data_hash,
            code(line.command),
        ])
    return table(columns, rows)


def speed_table(lines: list[Measured]) -> str:
    """Medians of every implementation, and the ratio to the one that counts with its range over the rounds."""
    rows = []
    for line in lines:
        peers = [f"{name} {in_unit(median(values), line.unit)}" for name, values in line.peers.items()]
        against = f"{line.against}: {ratio(line.ratio)}" if line.ratio else "–"
        rows.append([
            line.row, measured(line), "; ".join(peers) or "–", against, line.target or "–",
            shown_met(line), line.machine, code(line.command),
        ])
    return table(["what", "ours", "peers", "ratio", "target", "met", "machine", "command"], rows)


def dropout_table(lines: list[ResultLine]) -> str:
    """Held-out loss of both kinds, seed by seed, of the newest code and configuration; the verdict first."""
    pairs = pairs_of(newest(lines, "dropout_masks"), DROPOUT_KINDS, DROPOUT_SCORE)
    said = equality_verdict(pairs, DROPOUT_MARGIN)
    columns = ["seed", *(f"held-out loss, {kind} dropout" for kind in DROPOUT_KINDS), "difference"]
    return f"**{said}**. {INTERVAL}\n\n" + table(columns, table_rows(pairs))


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
    return f"{INTERVAL}\n\n" + "\n".join(parts)


def gradient_table(lines: list[Measured]) -> str:
    """The norms of `python -m experiments.gradient_norms`, the newest line of each network."""
    newest_lines = {line.row: line for line in lines}
    rows = [
        [row, f"{line.layers[0]:.4f}", f"{max(line.layers):.4f}", f"{line.value:.4f}", code(line.command)]
        for row, line in newest_lines.items()
    ]
    picture = "![Norm of the gradient in each decoder layer, pre-norm and post-norm](suites/gradient_norms.svg)\n"
    return table(["network", "first layer", "largest", "last layer", "command"], rows) + "\n" + picture


def checks_table(lines: list[Measured]) -> str:
    """Single measured values."""
    rows = [
        [line.row, measured(line), line.target or "–", shown_met(line), line.machine, code(line.command)]
        for line in lines
    ]
    return table(["what", "value", "target", "met", "machine", "command"], rows)


def readme_table(suites: dict[str, list[Line]], effects: Sequence[list[str]] = ()) -> str:
    """README's table: what was promised and what came out; `effects`: rows about suites of the laboratory."""
    rows = [*(readme_row(target, records(suites.get(target.suite, []))) for target in TARGETS), *effects]
    note = (
        "In round brackets the 95% interval, over the examples of one run where nothing else is said, which is not one "
        "over runs; in square brackets the baselines on the same examples. *Met* is said where the whole interval, or "
        "the range of a ratio's rounds, lies on the right side of the target, *undecided* where the figure alone does. "
        "How each figure was made: [docs/results.md](docs/results.md).\n"
    )
    return table(["what", "target", "result", "machine", "command"], rows) + "\n" + note


def readme_row(target: Target, lines: list[Record]) -> list[str]:
    """One promise. Of several lines of a row the first one made with the newest code and configuration counts.

    A measurement depends on the machine, so the last one of each machine stands there, with its own verdict.
    """
    shown = current(lines, target.row)
    if not shown:
        return [target.what, target.wanted, NOT_RUN, "", ""]
    between = "; " if len(shown) == 1 else ", "
    results = [between.join(part for part in (values_of(target, line), met(target, line)) if part) for line in shown]
    if len(shown) > 1:
        results = [f"{line.machine}: {result}" for line, result in zip(shown, results, strict=True)]
    return [
        target.what, target.wanted, "; ".join(results),
        "; ".join(dict.fromkeys(line.machine for line in shown)),
        " ".join(dict.fromkeys(code(line.command) for line in shown)),
    ]


def current(lines: list[Record], row: str) -> list[Record]:
    """The line that stands for a row: first of those that share code and configuration with the row's last line.

    Running further seeds therefore never changes which one is shown. Of measurements each machine's last one stands.
    """
    same = [line for line in lines if line.row == row]
    if not same or isinstance(same[-1], Measured):
        return list({line.machine: line for line in same}.values())
    last = same[-1].code_hash, same[-1].config_hash
    return [next(line for line in same if (line.code_hash, line.config_hash) == last)]


def values_of(target: Target, line: Record) -> str:
    """Every value that the target names, with the baselines of the scores among them."""
    return ", ".join(part for part in (value_of(path, line) for path in target.values) if part) or "not scored"


def value_of(path: tuple[str, ...], line: Record) -> str:
    """One value of a line in words; nothing where the line does not have it."""
    found = look_up(line, path)
    if found is None:
        return ""
    if path[0] == "scores":
        return score_with_baselines(line, *path[1:])
    if path[0] == "ratio":
        return ratio(found)
    if path[0] == "value":
        return measured(line)
    if path[0] == "minutes":
        return f"{found:.1f} minutes of two cores"
    if path[0] == "parameters":
        return f"{found / 1e6:.1f} M parameters"
    return f"{duration(found)} of training"


def score_with_baselines(line: ResultLine, split: str, metric: str) -> str:
    """A score, over which examples it is, and the baselines' scores on them."""
    beside = [
        f"{readable(name)} {METRICS[metric].write(splits[split][metric]['value'])}"
        for name, splits in line.baselines.items()
        if is_score(splits.get(split, {}).get(metric))
    ]
    baselines = f" [{', '.join(beside)}]" if beside else ""
    return f"{PARTS.get(metric, '')}{score_cell(metric, line.scores[split][metric])}{baselines}"


def met(target: Target, line: Record) -> str:
    """Whether the line reaches the target, in words; nothing where there is no target."""
    found = compare_with_target(target, line)
    return found if found in ("", MET) else f"**{found}**"


def reached(target: Target, line: Record | Line) -> bool | None:
    """Whether the target's last value reaches it, interval and all; None where there is no target or no value."""
    found = compare_with_target(target, line)
    return found == MET if found else None


def compare_with_target(target: Target, line: Record | Line) -> str:
    """MET where the target's last value reaches it with its whole interval, NOT_MET where the value does not.

    UNDECIDED where the value reaches it and the interval does not. Of a ratio the interval is the range of its rounds:
    of five they hold the median in 94 cases of 100. Nothing where there is no target or no value.
    """
    path = target.values[-1]
    found, low, high = look_up(line, path), None, None
    if isinstance(found, dict):
        low, high = found.get("low", found.get("min")), found.get("high", found.get("max"))
        found = found.get("value", found.get("median"))
    elif path == ("value",):
        low, high = look_up(line, ("low",)), look_up(line, ("high",))
    if found is None:
        return ""
    ends = [end for end in (low, high) if end is not None]
    return in_target_words(found, ends, target.at_least, target.at_most)


def shown_met(line: Measured) -> str:
    """Whether a measurement meets the target that its line was made with, where that is still the target."""
    for target in TARGETS:
        if (target.suite, target.row, target.wanted) == (line.suite, line.row, line.target):
            return {"": "–", MET: "yes", NOT_MET: "no"}.get(said := compare_with_target(target, line), said)
    return yes_or_no(line.met)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; a bar or a line end inside a cell cannot break it."""
    lines = [columns, ["---"] * len(columns), *rows]
    safe = [[" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in safe)


def code(command: str) -> str:
    """A command between backticks."""
    return f"`{command}`" if command else "–"


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return "–" if value is None else f"{value:,.0f}"


def scientific(value: float | None) -> str:
    """A large number in powers of ten."""
    return "–" if value is None else f"{value:.2e}"


def number(value: Any) -> str:
    """A measured number as a person writes it; text stays as it is."""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def ratio(value: dict[str, float]) -> str:
    """Median, range and number of rounds."""
    return f"{value['median']:.2f} ({value['min']:.2f} to {value['max']:.2f} in {value['rounds']} rounds)"


def duration(seconds: float | None) -> str:
    """Seconds as minutes with one decimal; less than one as seconds."""
    if seconds is None:
        return "–"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def mebibytes(value: float | None) -> str:
    """MiB without decimals."""
    return "–" if value is None else f"{value:,.0f} MiB"


def measured(line: Measured) -> str:
    """The value of a measurement: a check's seconds as minutes, anything else with its unit; p where it was tested."""
    if line.suite == "checks" and line.unit == "s":
        return duration(line.value)
    units = line.over or (f"{line.functions} functions" if line.functions is not None else "")
    over = f" over {units}" if units else ""
    interval = f" ({line.low:.1f} to {line.high:.1f}{over})" if line.low is not None else ""
    tested = f"; p {p_in_words(line.p)}" if line.p is not None else ""
    corrected = f", {p_in_words(line.p_corrected)} corrected" if line.p_corrected is not None else ""
    return in_unit(line.value, line.unit) + interval + tested + corrected


def in_unit(value: float, unit: str) -> str:
    """A number with its unit, a share in per cent."""
    if unit == "share":
        return f"{value:.0%}"
    if unit == "times":
        return f"{value:.2f} times"
    return f"{value:.1f} {unit}" if value < 100 else f"{number(value)} {unit}"


def yes_or_no(value: bool | None) -> str:
    """A flag in words."""
    return "–" if value is None else ("yes" if value else "no")
