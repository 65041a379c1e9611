"""A suite's table for the terminal, in Markdown, LaTeX and CSV, from one list of rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from experiments.laboratory.analysis import Analysis
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.statistics import ERROR, UNDECIDED
from experiments.laboratory.suite import BASE_ROW, SAME_ROW, rows_of
from experiments.record.cells import NOTHING, p_in_words
from experiments.record.records import Budget, Record, runs
from training.run.old_settings import first_name


def header(analysis: Analysis) -> list[str]:
    """The columns' names, with units."""
    suite = analysis.suite
    tuned = [setting.rpartition(".")[2].replace("_", " ") for setting in suite.tuned]
    return [
        "row", "seeds", "held-out loss (nats)", "difference (95%)", "in base SD", "p (Holm)", "verdict",
        f"{SUITE_METRICS[suite.score].title} (%)", "difference (95%)", "p (Holm)",
        *(f"{split} (%)" for split in suite.splits), *tuned,
    ]  # fmt: skip


def table_rows(analysis: Analysis) -> list[list[str]]:
    """One line a row of the suite, the base first and the A/A row second."""
    return [row_cells(analysis, row) for row in (BASE_ROW, SAME_ROW, *compared_rows(analysis))]


def compared_rows(analysis: Analysis) -> list[str]:
    """The rows beside the base, without those that cannot be run."""
    return [row for row in rows_of(analysis.suite) if row != BASE_ROW and row not in analysis.refused]


def word_and_note(said: str, why: str) -> str:
    """A word, with its note in brackets."""
    return f"{said} ({why})" if why else said


def row_cells(analysis: Analysis, row: str) -> list[str]:
    """The cells of one row."""
    suite, against = analysis.suite, analysis.suite.against(row)
    if row not in (BASE_ROW, SAME_ROW) and against not in (BASE_ROW, row):
        shown = f"{row} (against {against})"
    else:
        shown = row
    loss = comparison_cells(analysis, row, "loss")
    score = comparison_cells(analysis, row, suite.score)

    verdict = NOTHING
    if row not in (BASE_ROW, against):
        verdict = word_and_note(*analysis.verdict_and_note(row, analysis.primary(row)))
    if row in suite.exposed:
        verdict += " (by the score: the loss sees the answer)"
    others = [mean_and_spread(analysis, row, split, spread=False) for split in suite.splits]
    lines = analysis.lines.get(row, [])
    tuned = [f"{lines[0].trial.tuned.get(first_name(name), NOTHING)}" if lines else NOTHING for name in suite.tuned]
    n = len(analysis.values["loss"].get(row, {}))
    return [
        shown, str(n) if n else "not run", mean_and_spread(analysis, row, "loss"), *loss, verdict,
        mean_and_spread(analysis, row, suite.score), score[0], score[2], *others, *tuned,
    ]  # fmt: skip


def comparison_cells(analysis: Analysis, row: str, metric: str) -> list[str]:
    """Three cells: the difference with its interval, the same in units of the base's spread, and the adjusted p."""
    pair = row, analysis.suite.against(row)
    effect = analysis.effects[metric].get(pair)
    if effect is None:
        return [NOTHING] * 3
    write, spread = SUITE_METRICS[metric].write, analysis.spread(metric)
    interval = f"{write(effect.mean, True)} ({write(effect.low, True)} to {write(effect.high, True)})"
    in_spreads = f"{effect.mean / spread:+.1f}" if spread else NOTHING
    return [interval, in_spreads, p_in_words(analysis.adjusted[metric][pair])]


def mean_and_spread(analysis: Analysis, row: str, metric: str, spread: bool = True) -> str:
    """Mean over seeds, and its standard deviation."""
    values = list(analysis.values[metric].get(row, {}).values())
    if not values:
        return NOTHING
    write = SUITE_METRICS[metric].write
    return write(fmean(values)) + (f" ± {write(stdev(values))}" if spread and len(values) > 1 else "")


def notes(analysis: Analysis) -> list[str]:
    """The notes under the table: code, controls, missing runs, other code that counts, power."""
    said = {True: "behave", False: "**do not behave**: nothing here may be believed", None: "have not runs enough"}
    smallest = f"{analysis.smallest('loss'):g} nats and {analysis.smallest(analysis.suite.score):g} points"
    found = [
        f"Code {analysis.code or 'none'}; controls (base again: no effect; no cross-attention: an effect) "
        f"{said[analysis.controls_behave]}.",
        f"Differences are paired over seeds; p by Holm over the suite, effects at {ERROR:g}; the smallest that count "
        f"are {smallest}.",
    ]
    if analysis.suite.family:
        found.append(
            f"Claims are corrected among themselves, {analysis.suite.family} tests in all, some of them made "
            "elsewhere; what the table shows beside them is exploratory."
        )
    if analysis.missing:
        found.append("Not run: " + ", ".join(f"{row} ({n} seeds)" for row, n in analysis.missing.items()) + ".")
    found += [f"Not possible, and counted nowhere: {row}: {why}." for row, why in analysis.refused.items()]
    found += [f"Lines of code {one.accepts} are let in: {one.reason}" for one in analysis.accepted]
    more = power_note(analysis), baseline_note(analysis), cost_note(analysis)
    return [*found, *(note for note in more if note)]


def power_note(analysis: Analysis) -> str:
    """How many seeds the undecided rows would need."""
    needed = []
    for row in compared_rows(analysis):
        metric = analysis.primary(row)
        if analysis.verdict(row, metric) == UNDECIDED:
            seeds = analysis.seeds_needed(row, metric)
            needed.append(f"{row} {'more than 1,000' if seeds is None else seeds}")
    return f"Seeds that would decide what is undecided: {', '.join(needed)}." if needed else ""


def baseline_note(analysis: Analysis) -> str:
    """The best baseline, which needs no network, for the base and for every row that others are compared with."""
    metric = analysis.suite.score
    of_baseline: dict[str, list[str]] = {}
    for row in rows_of(analysis.suite):
        found = strongest_baseline(analysis, row, metric)
        if found and row in (BASE_ROW, *analysis.suite.compared.values()):
            beside = f"{found[0]} {SUITE_METRICS[metric].write(found[1])}{SUITE_METRICS[metric].unit}"
            of_baseline.setdefault(beside, []).append(row)
    shown = "; ".join(f"{' and '.join(rows)}: {beside}" for beside, rows in of_baseline.items())
    return f"The strongest baseline, which learns nothing ({SUITE_METRICS[metric].title}): {shown}." if shown else ""


def strongest_baseline(analysis: Analysis, row: str, metric: str) -> tuple[str, float] | None:
    """The name and the value of the best baseline of a row's runs, on the same examples; None where none has any."""
    found: dict[str, list[float]] = {}
    for line in analysis.lines.get(row, []):
        for name, scores in line.baselines.items():
            value = SUITE_METRICS[metric].value_in(replace(line, scores=scores, held_out_loss=None))
            if value is not None:
                found.setdefault(name, []).append(value)
    means = {name: fmean(values) for name, values in found.items()}
    return max(means.items(), key=lambda pair: pair[1]) if means else None


def hours_note(lines: Sequence[Record]) -> str:
    """The core-hours of the suite: every run that has a line, tuning too, and every shared network once."""
    timed = [line for line in runs(lines) if line.wall_seconds is not None]
    networks = [(line.threads, line.pretraining) for line in timed if line.pretraining is not None]
    made = {(one.config_hash, one.seed): (threads, one.budget) for threads, one in networks}
    hours = sum(line.threads * line.wall_seconds for line in timed) / 3600
    before = sum(threads * budget["wall_seconds"] for threads, budget in made.values()) / 3600
    networks = f", and {before:.1f} for {len(made)} networks that runs begin with" if before else ""
    return f"Core-hours: {hours:.1f} for {len(timed)} runs, tuning and scoring included{networks}."


def cost_note(analysis: Analysis) -> str:
    """The cost of rows whose runs begin with another run's network: the network's first, then the run's own."""
    costs = []
    for row, lines in analysis.lines.items():
        made = [(line.pretraining.budget, line.budget) for line in lines if line.pretraining is not None]
        if made:
            before, after = ([budgets[part] for budgets in made] for part in (0, 1))
            costs.append(f"{row} {cost_in_words(before)} + {cost_in_words(after)}")
    said = "Tokens (millions) and training TFLOP, of the network that a run begins with + of the run"
    return f"{said}: {'; '.join(costs)}." if costs else ""


def cost_in_words(budgets: list[Budget]) -> str:
    """The mean tokens and FLOPs of several runs."""
    tokens, flops = (fmean(budget[name] for budget in budgets) for name in ("tokens", "training_flops"))
    return f"{tokens / 1e6:.2f} ({flops / 1e12:.0f})"


def as_csv(head: list[str], rows: list[list[str]]) -> str:
    """The table as comma-separated values, quoted where needed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def as_latex(head: list[str], rows: list[list[str]]) -> str:
    """The table as a tabular of the LaTeX package booktabs."""
    lines = [" & ".join(map(latex, line)) + r" \\" for line in (head, *rows)]
    columns = "l" * len(head)
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def latex(text: str) -> str:
    """Text in which LaTeX's special characters are escaped."""
    special = {"\\": r"\textbackslash{}", "±": r"$\pm$", "–": "--", "<": "$<$", "^": r"\^{}", "~": r"\~{}"}
    return "".join(special.get(letter, "\\" + letter if letter in "&%$#_{}" else letter) for letter in text)
