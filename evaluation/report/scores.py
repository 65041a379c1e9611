"""The scores of a run as HTML: the main metric as bars beside the baselines, and the table with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evaluation.finished_run import RunFolder
from evaluation.metrics import WITHOUT_BLEU, too_short_for_bleu
from evaluation.report.diff import escape

INTERVAL_NOTE = "95% interval over examples"


@dataclass(frozen=True)
class Metric:
    """The name and the notation of a metric; `scale` 100 turns a share into per cent."""

    name: str
    meaning: str
    scale: float = 100.0
    unit: str = "%"

    def write(self, value: float) -> str:
        """The value with one decimal and its unit."""
        return f"{value * self.scale:.1f}{self.unit}"


METRICS = {
    "tests_passed": Metric("Tests passed", "Programs that pass all their tests"),
    "tests_passed_new_programs": Metric(
        "Tests passed, new programs", "The same over tasks whose program, names and constants aside, is not in training"
    ),
    "exact_match_without_duplicates": Metric(
        "Exact match, no duplicates", "Exact match over the lines whose pair does not stand in the training lines"
    ),
    "exact_match": Metric("Exact match", "Equal to the reference, token by token"),
    "parses": Metric("Parses", "Outputs that are syntactically valid"),
    "bleu": Metric("BLEU", "N-gram precision over the corpus (Papineni et al. 2002), 0 to 100", 1.0, ""),
    "chrf": Metric("chrF", "F-score of character n-grams (Popović 2015), 0 to 100", 1.0, ""),
    "rouge_1": Metric("ROUGE-1", "F-score of single words (Lin 2004)"),
    "rouge_2": Metric("ROUGE-2", "F-score of pairs of words (Lin 2004)"),
    "rouge_l": Metric("ROUGE-L", "F-score of the longest common subsequence (Lin 2004)"),
}
HEADLINES = ("tests_passed", "exact_match_without_duplicates", "exact_match", "bleu")  # the first that was scored
SPLITS = {"in_distribution": "in distribution"}  # names that need another form to be read


def split_name(split: str) -> str:
    """The split's name as a reader sees it."""
    return SPLITS.get(split, split.replace("_", " "))


def is_score(cell: object) -> bool:
    """Whether a value of scores.json is the score of a metric, and not another entry."""
    return isinstance(cell, dict) and isinstance(cell.get("value"), (int, float))


def scored_metrics(run: RunFolder) -> list[str]:
    """The metrics that some split has, in reading order."""
    found = {name for split in run.scores.values() for name, cell in split.items() if is_score(cell)}
    return [name for name in METRICS if name in found]


def headline(run: RunFolder) -> str:
    """The metric that matters most for this run, split by split, each beside its baselines."""
    metrics = scored_metrics(run)
    chosen = next((name for name in HEADLINES if name in metrics), None)
    if chosen is None:
        return '<p class="absent">This run has no scores yet: <code>python eval.py --run RUN</code> makes them.</p>'
    groups = "".join(bars(run, split, chosen) for split in run.scores if is_score(run.scores[split].get(chosen)))
    metric = METRICS[chosen]
    legend = f"The whisker is the {INTERVAL_NOTE} of this one run; it does not tell how another seed would do."
    return f'<h2>{metric.name}</h2><p class="note">{metric.meaning}. {legend}</p><div class="tiles">{groups}</div>'


def bars(run: RunFolder, split: str, metric: str) -> str:
    """One split's tile: the model's score large, then a bar for the model and for each baseline."""
    cell = run.scores[split][metric]
    rows = [bar("this run", metric, cell, "model")]
    for name, splits in run.baselines.items():
        other = splits.get(split, {}).get(metric)
        if is_score(other):
            rows.append(bar(readable(name), metric, other, "baseline"))
    big = METRICS[metric].write(cell["value"])
    n = ", ".join(part for part in (interval(metric, cell), f"{cell['n']:,} examples" if cell.get("n") else "") if part)
    return (
        f'<section class="tile"><h3>{escape(split_name(split))}</h3><p class="big">{big}</p>'
        f'<p class="note">{n}</p>{"".join(rows)}</section>'
    )


def readable(name: str) -> str:
    """A baseline's key as words."""
    return name.replace("_", " ")


def bar(name: str, metric: str, cell: dict[str, Any], kind: str) -> str:
    """A name and a number over a bar."""
    value = METRICS[metric].write(cell["value"])
    return (
        f'<div class="bar"><span>{escape(name)}</span><span title="{interval(metric, cell)}">{value}</span></div>'
        f"{track(metric, cell, kind)}"
    )


def track(metric: str, cell: dict[str, Any], kind: str) -> str:
    """A bar from 0 to 100% with its interval as a whisker."""
    full = 100.0 / METRICS[metric].scale
    left, right = (percent(cell.get(side, cell["value"]), full) for side in ("low", "high"))
    whisker = f'<i class="whisker" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>' if right > left else ""
    return (
        f'<div class="track" aria-hidden="true"><i class="fill {kind}" '
        f'style="width:{percent(cell["value"], full):.2f}%"></i>{whisker}</div>'
    )


def percent(value: float | None, full: float) -> float:
    """The value's place on a bar, in per cent of its length."""
    return min(100.0, max(0.0, 100.0 * (value or 0.0) / full))


def interval(metric: str, cell: dict[str, Any]) -> str:
    """ "low to high", or nothing where the score has no interval."""
    if cell.get("low") is None or cell.get("high") is None:
        return ""
    scale = METRICS[metric].scale
    return f"{cell['low'] * scale:.1f} to {cell['high'] * scale:.1f}"


def score_table(run: RunFolder) -> str:
    """Every metric of every split, the model's row first and the baselines' rows below it."""
    metrics = scored_metrics(run)
    if not metrics:
        return ""
    head = "".join(f'<th scope="col" title="{METRICS[name].meaning}">{METRICS[name].name}</th>' for name in metrics)
    bodies = "".join(split_rows(run, split, metrics) for split in run.scores)
    return (
        '<h2>All scores</h2><p class="note">Small figures: the '
        f"{INTERVAL_NOTE} (bootstrap of the test examples of this one run), not over runs. "
        "ROUGE and the shares in per cent, BLEU and chrF from 0 to 100.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="All scores"><table class="scores">'
        f'<thead><tr><th scope="col">Split</th><th scope="col">n</th>{head}</tr></thead>{bodies}</table></div>'
        f"{footnotes(run)}"
    )


def footnotes(run: RunFolder) -> str:
    """The share of the references that parses, where BLEU says nothing, and what exactly BLEU and chrF are."""
    gold = run.beside.get("gold_parses", {})
    shares = ", ".join(f"{escape(split_name(split))} {METRICS['parses'].write(gold[split])}" for split in gold)
    signed = run.beside.get("signatures", {})
    lines = [f"Of the references themselves parse: {shares}."] if shares else []
    lines += [f"{escape(split_name(split))}: {WITHOUT_BLEU}." for split in splits_without_bleu(run)]
    lines += [f"<code>{escape(text)}</code>" for text in signed.values()]
    return "".join(f'<p class="note foot">{line}</p>' for line in lines)


def splits_without_bleu(run: RunFolder) -> list[str]:
    """The splits whose references are all too short for BLEU."""
    references: dict[str, list[str]] = {}
    for line in run.predictions:
        references.setdefault(str(line.get("split")), []).append(str(line.get("reference", "")))
    scored = (split for split, scores in run.scores.items() if is_score(scores.get("bleu")))
    return [split for split in scored if split in references and too_short_for_bleu(references[split])]


def length_table(run: RunFolder) -> str:
    """The scores by the length of the reference, where they were counted: a row for each group of lengths."""
    by_length = run.beside.get("by_length", {})
    metrics = [name for name in METRICS if any(name in found for found in by_length.values())]
    if not metrics:
        return ""
    head = "".join(f'<th scope="col" title="{METRICS[name].meaning}">{METRICS[name].name}</th>' for name in metrics)
    bodies = "".join(length_rows(split, found, metrics) for split, found in by_length.items())
    return (
        f'<h2>By length of the reference</h2><p class="note">In tokens. Small figures: the {INTERVAL_NOTE}. '
        "BLEU counts runs of four tokens and is 0 where no reference has four.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Scores by length"><table class="scores">'
        f'<thead><tr><th scope="col">Split</th><th scope="col">Tokens</th><th scope="col">n</th>{head}</tr></thead>'
        f"{bodies}</table></div>"
    )


def length_rows(split: str, found: dict[str, list[dict[str, Any]]], metrics: list[str]) -> str:
    """The rows of one split's groups, from short to long; `found`: metric -> one score per group."""
    groups: dict[tuple, dict[str, dict[str, Any]]] = {}
    for metric in metrics:
        for score in found.get(metric, []):
            groups.setdefault((score.get("shortest", 0), score.get("longest", 0)), {})[metric] = score
    rows = []
    for (shortest, longest), scores in sorted(groups.items()):
        n = max(score.get("n") or 0 for score in scores.values())
        cells = "".join(table_cell(metric, scores.get(metric), n) for metric in metrics)
        rows.append(
            f'<tr class="model"><th scope="row">{escape(split_name(split))}</th>'
            f"<td>{escape(f'{shortest}–{longest}')}</td><td>{n:,}</td>{cells}</tr>"
        )
    return f"<tbody>{''.join(rows)}</tbody>"


def split_rows(run: RunFolder, split: str, metrics: list[str]) -> str:
    """The rows of one split."""
    rows = [row(split_name(split), run.scores[split], metrics, "model")]
    for name, splits in run.baselines.items():
        if splits.get(split):
            rows.append(row(readable(name), splits[split], metrics, "baseline"))
    return f"<tbody>{''.join(rows)}</tbody>"


def row(name: str, scores: dict[str, Any], metrics: list[str], kind: str) -> str:
    """One row of the table, with a dash for a metric that was not scored."""
    cells = [scores.get(metric) for metric in metrics]
    n = max((cell.get("n") or 0 for cell in cells if is_score(cell)), default=0)
    columns = "".join(table_cell(metric, cell, n) for metric, cell in zip(metrics, cells, strict=True))
    return f'<tr class="{kind}"><th scope="row">{escape(name)}</th><td>{n:,}</td>{columns}</tr>'


def table_cell(metric: str, cell: Any, n: int) -> str:
    """A cell with a value, its interval, and its n where that differs from the row's."""
    if not is_score(cell):
        return '<td class="none">–</td>'
    fewer = f" · n {cell['n']}" if cell.get("n") and cell["n"] != n else ""
    return f"<td><b>{METRICS[metric].write(cell['value'])}</b><small>{interval(metric, cell)}{fewer}</small></td>"
