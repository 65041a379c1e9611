"""The suites' part of docs/results.md, and docs/claims.md: every claim with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.laboratory import tables
from experiments.laboratory.analysis import Analysis, analyse
from experiments.laboratory.claims import Claim
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.plots import plot_suite
from experiments.laboratory.suite import Suite, load_suite, names
from experiments.record.cells import NOTHING
from experiments.record.cells import table as markdown
from experiments.record.lines import said_of_codes
from experiments.record.records import Record, verdicts

IN_THE_MATH = {  # piece -> what section 21 sees, the suite and its row
    "1/sqrt(d_k)": ("saturated softmax, small gradients", "pieces", "no 1/sqrt(d_k)"),
    "causal mask": ("the answer leaks into its own prediction", "pieces", "no causal mask"),
    "positions": ("two orders of the source are one", "pieces", "no positions"),
    "residual connection": ("gradients fall towards the input", "pieces", "no residual connections"),
    "norm": ("gradients explode", "pieces", "no layer norm"),
    "warm-up (post-norm)": ("large first steps, tokens alike", "norm_and_warmup", "post, depth 6, no warm-up"),
}
CLAIMS_HEAD = """# Claims

Made by `python -m experiments.results` from the suites in `experiments/suites/` and their lines in
`docs/results/*.jsonl`; changes by hand are overwritten.

Each claim was written down before the first run that tests it; a test asks git. The word for a difference follows the
one rule of [ablations.md](ablations.md#what-is-said), with p corrected by Holm over the suite, or over its family of
claims, and the smallest effect that counts as the claim states it. *Replicated*: larger or smaller by what counts, on
the side where the source has it. *Contradicted*: as much on the other side. A claim that two are equal is replicated
where no difference counts. Every other word is the answer as it stands: *there, but smaller than what counts*, *no
effect*, *undecided*, *out of regime*, *not enough runs*.
"""


def suite_section(suite: Suite, lines: list[Record]) -> str:
    """A suite's table, notes and picture."""
    analysis = analyse(suite, lines)
    body = markdown(tables.header(analysis), tables.table_rows(analysis))
    picture = f"![{suite.title}: every run, means and intervals](suites/{suite.name}.svg)\n" if analysis.code else ""
    command = f"`python -m experiments.ablate {suite.name}`, one thread a run. Claims: [claims.md](claims.md).\n"
    conclusions = "".join(f"- {sentence}\n" for sentence in suite.conclusions) + "\n" * bool(suite.conclusions)
    rejections = [line for line in verdicts(lines) if line.rejects is not None]
    parted = said_of_codes(rejections, [analysis.code])  # tables say the others
    notes = "\n\n".join([*tables.notes(analysis), *parted, tables.hours_note(lines)])
    return f"{body}\n{conclusions}{notes}\n\n{picture}\n{command}"


def math_table(lines: Mapping[str, list[Record]]) -> str:
    """The table of docs/the_math.md: what is seen without training, and what the suites say of trained networks."""
    rows = []
    for piece, (seen, suite, row) in IN_THE_MATH.items():
        rows.append([piece, seen, in_one_line(analyse(load_suite(suite), lines.get(suite, [])), row)])
    return markdown(["left out", "what is seen above", "what it does to trained networks, loss and tests passed"], rows)


def in_one_line(analysis: Analysis, row: str) -> str:
    """What a row does to the loss and to the score, in one line."""
    parts, reasons = [], []
    for metric in ("loss", analysis.suite.score):
        effect = analysis.effects[metric].get((row, analysis.suite.against(row)))
        if effect is None:
            return f"suite `{analysis.suite.name}`: not enough runs yet"
        write, unit = SUITE_METRICS[metric].write, SUITE_METRICS[metric].difference_unit
        interval = f"{write(effect.low, True)} to {write(effect.high, True)}"
        said, why = analysis.verdict_and_note(row, metric)
        parts.append(f"{write(effect.mean, True)} {unit} ({interval}): {said}")
        reasons += [why] if why else []
    if row in analysis.suite.exposed:
        reasons.append("the loss sees the answer, the score decides")
    return tables.word_and_note("; ".join(parts), "; ".join(dict.fromkeys(reasons)))


def claims_page(lines: Mapping[str, list[Record]]) -> str:
    """The whole of docs/claims.md."""
    parts = [CLAIMS_HEAD]
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
    """One claim as the cells of a row."""
    metric = SUITE_METRICS[claim.metric]
    unit = metric.difference_unit
    effect = analysis.effects[claim.metric].get((claim.row, claim.against))
    found = NOTHING
    if effect is not None:
        low, high = metric.write(effect.low, True), metric.write(effect.high, True)
        found = f"{metric.write(effect.mean, True)} ({low} to {high}) {unit}, {effect.n} seeds"
    expected = f"{claim.row}: {metric.title} {claim.direction} than {claim.against}"
    if claim.direction == "equal":
        expected = f"{claim.row}: {metric.title} as {claim.against}"
    said, why = analysis.answer_and_note(claim)
    return [
        f"**{claim.id}**: {claim.says} ({expected})", tables.word_and_note(f"*{said}*", why), found,
        f"{claim.smallest:g} {unit}", claim.source, claim.theirs, claim.ours,
    ]  # fmt: skip


def write_plots(lines: Mapping[str, list[Record]], folder: Path) -> None:
    """Write a picture of each suite that has lines."""
    for name in names():
        analysis = analyse(load_suite(name), lines.get(name, []))
        if analysis.code:
            folder.mkdir(parents=True, exist_ok=True)
            plot_suite(analysis, folder / f"{name}.svg")
