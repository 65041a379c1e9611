"""The best and the worst predictions of a run as HTML, each beside its reference with the differences marked."""

from __future__ import annotations

from typing import Any

from evaluation.report.diff import diff, escape, marked
from evaluation.report.scores import split_name

PREDICTIONS_SHOWN = 20
LONGEST_PROGRAM = 3000  # letters of a program that are shown; the comparison's time grows with the square of the length
STATUS = {  # status -> sign and words
    "passed": ("✓", "passed its tests"),
    "failed": ("✗", "failed its tests"),
    "refused": ("⊘", "not run: outside the permitted names"),
    "time": ("⧖", "stopped: out of time"),
    "memory": ("▣", "stopped: out of memory"),
    "error": ("!", "ended with an error"),
    "exact": ("✓", "exact match"),
    "differs": ("≠", "differs from the reference"),
}
GOOD = ("passed", "exact")


def first_of_each_reference(predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The predictions in their order, the first one of each reference."""
    by_reference: dict[str, dict[str, Any]] = {}
    for record in predictions:
        by_reference.setdefault(str(record.get("reference", "")), record)
    return list(by_reference.values())


def quality(record: dict[str, Any]) -> tuple:
    """The sort key of a prediction: tests passed, then exact match, then chrF; among equals the longer reference.

    A prediction without tests stands as its exact match does.
    """
    exact = bool(record.get("exact"))
    passed = record.get("passed")
    works = exact if passed is None else bool(passed)
    return works, exact, float(record.get("score") or 0.0), len(str(record.get("reference", "")))


def best_and_worst(predictions: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The best and the worst predictions, PREDICTIONS_SHOWN of each or fewer; no prediction is in both lists."""
    order = sorted(predictions, key=quality, reverse=True)
    best = first_of_each_reference(order)
    best = best[: min(PREDICTIONS_SHOWN, (len(best) + 1) // 2)]
    shown = {id(record) for record in best}
    worst = [record for record in first_of_each_reference(order[::-1]) if id(record) not in shown]
    return best, worst[:PREDICTIONS_SHOWN]


def prediction_sections(predictions: list[dict[str, Any]]) -> str:
    """The lists of best and worst predictions, with a note on their choice and on the marks."""
    if not predictions:
        return '<p class="absent">No predictions.jsonl in this run: <code>python eval.py --run RUN</code> makes it.</p>'
    best, worst = best_and_worst(predictions)
    key = (
        '<p class="note">Chosen among all scored splits by: tests passed, then exact match, then chrF; one of each '
        "reference. <del>Struck through</del> stands only in the reference, <ins>underlined</ins> only in the "
        "prediction.</p>"
    )
    return f"{key}{listing('worst', worst, True)}{listing('best', best, False)}"


def listing(name: str, records: list[dict[str, Any]], is_open: bool) -> str:
    """One folded list of predictions."""
    cards = "".join(card(number, record) for number, record in enumerate(records, start=1))
    state = " open" if is_open else ""
    return f'<details class="list" id="{name}"{state}><summary>The {len(records)} {name}</summary>{cards}</details>'


def card(number: int, record: dict[str, Any]) -> str:
    """Description, status, and reference and prediction side by side (one block when they are the same)."""
    return (
        f'<article class="card"><header><span class="number">{number}</span>'
        f'<p class="nl">{escape(record.get("nl") or "")}</p></header>{facts(record)}{programs(record)}</article>'
    )


def facts(record: dict[str, Any]) -> str:
    """The status, split, id and chrF of a prediction."""
    status = status_of(record)
    sign, words = STATUS.get(status, ("?", status))
    kind = "good" if status in GOOD else "bad"
    score = record.get("score")
    chrf = f"<span>chrF {score:.1f}</span>" if isinstance(score, (int, float)) else ""
    split = escape(split_name(str(record.get("split", ""))))
    exact = "<span>exact match</span>" if record.get("exact") and status != "exact" else ""
    return (
        f'<p class="facts"><span class="status {kind}">{sign} {escape(words)}</span>{exact}{chrf}'
        f"<span>{split}</span><code>{escape(record.get('id', ''))}</code></p>"
    )


def status_of(record: dict[str, Any]) -> str:
    """The outcome of the tests, or where there are none whether the output is exact."""
    if record.get("passed") is None:
        return "exact" if record.get("exact") else "differs"
    return str(record.get("status") or ("passed" if record["passed"] else "failed"))


def programs(record: dict[str, Any]) -> str:
    """Reference and prediction as two blocks, or one where they are equal."""
    reference, prediction = shortened(record.get("reference", "")), shortened(record.get("prediction", ""))
    if reference == prediction:
        return f'<div class="programs">{program("Reference and prediction are the same", escape(reference))}</div>'
    pieces = diff(reference, prediction)
    left, right = marked(pieces, "missing"), marked(pieces, "added")
    if not prediction:
        left, right = escape(reference), '<span class="none">(empty)</span>'
    return f'<div class="programs two">{program("Reference", left)}{program("Prediction", right)}</div>'


def program(title: str, code: str) -> str:
    """A block of code under its title."""
    return f'<figure><figcaption>{title}</figcaption><pre tabindex="0"><code>{code}</code></pre></figure>'


def shortened(text: object) -> str:
    """A program as the page shows it; a very long one is cut, with a note."""
    text = str(text)
    left_out = len(text) - LONGEST_PROGRAM
    return text if left_out <= 0 else f"{text[:LONGEST_PROGRAM]}\n… ({left_out} more letters)"
