"""The suites' part of docs/results.md, and docs/claims.md: every claim with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.laboratory import tables
from experiments.laboratory.analysis import Analysis, analyse
from experiments.laboratory.claims import Claim
from experiments.laboratory.metrics import METRICS, Metric
from experiments.laboratory.plots import plot_suite
from experiments.laboratory.statistics import OUT_OF_REGIME
from experiments.laboratory.suite import Suite, load_suite, names
from experiments.result_tables import NOT_RUN
from experiments.result_tables import table as markdown
from experiments.targets import EFFECTS, MET, EffectTarget, in_target_words

Line = dict[str, Any]
IN_THE_MATH = {  # piece -> what section 21 sees, the suite and its row
    "1/sqrt(d_k)": ("saturated softmax, small gradients", "pieces", "no 1/sqrt(d_k)"),
    "causal mask": ("the answer leaks into its own prediction", "pieces", "no causal mask"),
    "positions": ("two orders of the source are one", "pieces", "no positions"),
    "residual connection": ("gradients fall towards the input", "pieces", "no residual connections"),
    "norm": ("gradients explode", "pieces", "no layer norm"),
    "warm-up (post-norm)": ("large first steps, tokens alike", "norm_and_warmup", "post, depth 6, no warm-up"),
}
HEAD = """# Claims

Made by `python -m experiments.results` from the suites in `experiments/suites/` and their lines in
`docs/results/*.jsonl`; changes by hand are overwritten.

Each claim was written down before the first run that tests it; a test asks git. The word for a difference follows the
one rule of [ablations.md](ablations.md#what-is-said), with p corrected by Holm over the suite, or over its family of
claims, and the smallest effect that counts as the claim states it. *Replicated*: larger or smaller by what counts, on
the side where the source has it. *Contradicted*: as much on the other side. A claim that two are equal is replicated
where no difference counts. Every other word is the answer as it stands: *there, but smaller than what counts*, *no
effect*, *undecided*, *out of regime*, *not enough runs*.
"""


def suite_section(suite: Suite, lines: list[Line]) -> str:
    """A suite's table, notes and picture."""
    analysis = analyse(suite, lines)
    body = markdown(tables.header(analysis), tables.table_rows(analysis))
    picture = f"![{suite.title}: every run, means and intervals](suites/{suite.name}.svg)\n" if analysis.code else ""
    command = f"`python -m experiments.ablate {suite.name}`, one thread a run. Claims: [claims.md](claims.md).\n"
    taught = "".join(f"- {sentence}\n" for sentence in suite.conclusions) + "\n" * bool(suite.conclusions)
    notes = "\n\n".join([*tables.notes(analysis), tables.hours_note(lines)])
    return f"{body}\n{taught}{notes}\n\n{picture}\n{command}"


def suite_sections(lines: Mapping[str, list[Line]]) -> str:
    """Every suite that has lines."""
    suites = [load_suite(name) for name in names() if lines.get(name)]
    return "".join(f"\n## {suite.title}\n\n{suite_section(suite, lines[suite.name])}" for suite in suites)


def math_table(lines: Mapping[str, list[Line]]) -> str:
    """The table of docs/the_math.md: what is seen without training, and what the suites say of trained networks."""
    rows = []
    for piece, (seen, suite, row) in IN_THE_MATH.items():
        rows.append([piece, seen, in_one_line(analyse(load_suite(suite), lines.get(suite, [])), row)])
    return markdown(["left out", "what is seen above", "what it does to trained networks, loss and tests passed"], rows)


def in_one_line(analysis: Analysis, row: str) -> str:
    """What a row does, both metrics in words."""
    parts, reasons = [], []
    for metric in ("loss", analysis.suite.score):
        effect = analysis.effects[metric].get((row, analysis.suite.against(row)))
        if effect is None:
            return f"suite `{analysis.suite.name}`: not enough runs yet"
        write, unit = METRICS[metric].write, METRICS[metric].difference_unit
        interval = f"{write(effect.low, True)} to {write(effect.high, True)}"
        said, why = analysis.judged(row, metric)
        parts.append(f"{write(effect.mean, True)} {unit} ({interval}): {said}")
        reasons += [why] if why else []
    if row in analysis.suite.exposed:
        reasons.append("the loss sees the answer, the score decides")
    return tables.said_and_why("; ".join(parts), "; ".join(dict.fromkeys(reasons)))


def effect_rows(lines: Mapping[str, list[Line]]) -> list[list[str]]:
    """README's rows of what was promised of a suite's rows: what, target, result, machine, command."""
    suites = {target.suite for target in EFFECTS}
    analyses, rows = {name: analyse(load_suite(name), lines.get(name, [])) for name in suites}, []
    for target in EFFECTS:
        analysis = analyses[target.suite]
        machines = "; ".join(dict.fromkeys(line["machine"] for line in analysis.lines.get(target.row, [])))
        wanted = f"at least {target.at_least:+g} {METRICS[target.metric].difference_unit}"
        command = f"`python -m experiments.ablate {target.suite}`"
        rows.append([target.what, wanted, effect_in_words(analysis, target), machines, command])
    return rows


def effect_in_words(analysis: Analysis, target: EffectTarget) -> str:
    """Both means, the difference with its interval, and whether it is what was promised."""
    metric, against = METRICS[target.metric], analysis.suite.against(target.row)
    effect = analysis.effects[target.metric].get((target.row, against))
    if effect is None:
        return NOT_RUN
    values = [analysis.values[target.metric][row] for row in (target.row, against)]
    seeds = values[0].keys() & values[1].keys()
    means = [fmean(of_row[seed] for seed in seeds) for of_row in values]
    row, base = (f"{metric.write(mean)}{metric.unit}" for mean in means)
    name, look_up = tables.strongest_baseline(analysis, against, target.metric) or ("", None)
    interval = f"{metric.write(effect.low, True)} to {metric.write(effect.high, True)} over {effect.n} seeds"
    beside = "" if look_up is None else f" [{name} {metric.write(look_up)}{metric.unit}]"
    said = in_target_words(effect.mean, (effect.low, effect.high), target.at_least)
    _, why = analysis.judged(target.row, target.metric)
    outside = analysis.verdict(target.row, target.metric) == OUT_OF_REGIME
    notes = [] if outside and said == MET else [said if said == MET else f"**{said}**"]
    if look_up is not None and means[1] < look_up:
        notes.append(f"**its base has {base} where a look-up has {metric.write(look_up)}{metric.unit}**")
    notes += [tables.said_and_why(f"**{OUT_OF_REGIME}**", why)] if outside else []
    notes += [] if effect.decides else ["**not enough runs** for a verdict"]
    return (
        f"{row} after {base}{beside}, {metric.write(effect.mean, True)} {metric.difference_unit} ({interval}"
        f"{against_all(metric, *values)}); {', '.join(notes)}"
    )


def against_all(metric: Metric, row: Mapping[int, float], base: Mapping[int, float]) -> str:
    """The difference from all seeds of the base, where it has more than are paired."""
    if not base.keys() - row.keys():
        return ""
    difference = metric.write(fmean(row.values()) - fmean(base.values()), True)
    return f"; {difference} against all {len(base)} seeds of the base"


def claims_page(lines: Mapping[str, list[Line]]) -> str:
    """The whole of docs/claims.md."""
    parts = [HEAD]
    for name in names():
        suite = load_suite(name)
        if not suite.claims:
            continue
        analysis = analyse(suite, lines.get(name, []))
        rows = [claim_row(analysis, claim) for claim in suite.claims]
        columns = ["claim", "answer", "effect (95%)", "smallest that counts", "source", "their regime", "ours"]
        parts.append(f"\n## {suite.title}\n\n{markdown(columns, rows)}")
        if analysis.code:
            parts.append(f"\n![{suite.title}: every run, means and intervals](suites/{name}.svg)\n")
    return "".join(parts)


def claim_row(analysis: Analysis, claim: Claim) -> list[str]:
    """One claim as cells."""
    metric = METRICS[claim.metric]
    unit = metric.difference_unit
    effect = analysis.effects[claim.metric].get((claim.row, claim.against))
    found = tables.NOTHING
    if effect is not None:
        low, high = metric.write(effect.low, True), metric.write(effect.high, True)
        found = f"{metric.write(effect.mean, True)} ({low} to {high}) {unit}, {effect.n} seeds"
    expected = f"{claim.row}: {metric.title} {claim.direction} than {claim.against}"
    if claim.direction == "equal":
        expected = f"{claim.row}: {metric.title} as {claim.against}"
    said, why = analysis.answered(claim)
    return [
        f"**{claim.id}**: {claim.says} ({expected})", tables.said_and_why(f"*{said}*", why), found,
        f"{claim.smallest:g} {unit}", claim.source, claim.theirs, claim.ours,
    ]  # fmt: skip


def write_plots(lines: Mapping[str, list[Line]], folder: Path) -> None:
    """A picture of each suite that has lines."""
    for name in names():
        analysis = analyse(load_suite(name), lines.get(name, []))
        if analysis.code:
            folder.mkdir(parents=True, exist_ok=True)
            plot_suite(analysis, folder / f"{name}.svg")
