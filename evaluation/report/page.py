"""report.html: one run on one page that opens without a network, on phone and desktop, in light and dark mode.

The page is made of the run folder's files alone and holds its style and its pictures within itself. Everything that
a user or a model has written goes through `escape`.
"""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

from evaluation.finished_run import RunFolder
from evaluation.report.attention_map import MAX_PIECES, attention_map
from evaluation.report.curves import PANELS, curve_svgs, write_curves
from evaluation.report.diff import escape
from evaluation.report.predictions import prediction_sections
from evaluation.report.scores import headline, length_table, score_table
from system.atomic_files import write_atomically

STYLE = Path(__file__).with_name("report.css")
SECTIONS = {"scores": "Scores", "curves": "Curves", "predictions": "Predictions", "attention": "Attention",
            "settings": "Settings"}


def write_report(run: RunFolder) -> Path:
    """Write curves.png and report.html into the run's folder and return the page's path.

    A part whose file is missing is left out with a line that says so.
    """
    if run.metrics:
        write_curves(run.metrics, run.path / "curves.png")
    page = run.path / "report.html"
    write_atomically(page, page_of(run))
    return page


def page_of(run: RunFolder) -> str:
    """The report as one HTML page."""
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name in SECTIONS.items())
    bodies = {
        "scores": headline(run) + score_table(run) + length_table(run),
        "curves": "<h2>Curves</h2>" + curves(run),
        "predictions": "<h2>Predictions</h2>" + prediction_sections(run.predictions),
        "attention": "<h2>Attention</h2>" + attention(run),
        "settings": "<h2>Settings</h2>" + settings(run),
    }
    main = "".join(f'<section id="{key}">{body}</section>' for key, body in bodies.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>{escape(run.name)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head><body>"
        f'<header class="top"><h1>{escape(run.name)}</h1>{chips(run)}<nav aria-label="Sections">{links}</nav></header>'
        f"<main>{main}</main></body></html>\n"
    )


def chips(run: RunFolder) -> str:
    """The date, machine and budget of the run, as far as the run has recorded them."""
    known = run.facts
    facts = [
        ("date", str(known.get("date", ""))[:10]),
        ("device", known.get("device")),
        ("machine", run.machine),
        ("threads", known.get("threads")),
        ("seed", known.get("seed", run.config.get("seed"))),
        ("parameters", formatted_count(known.get("parameters"))),
        ("steps", formatted_count(known.get("steps"))),
        ("tokens", formatted_count(known.get("tokens"))),
        ("training FLOPs", formatted_count(known.get("training_flops"))),
        ("time", duration(known.get("seconds"))),
        ("peak memory", f"{known['peak_memory_mib']:,.0f} MiB" if known.get("peak_memory_mib") else None),
    ]
    shown = [(name, value) for name, value in facts if value not in (None, "")]
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in shown) + "</dl>"


def formatted_count(value: object) -> str | None:
    """A count with thousands separated, a large one in powers of ten."""
    if not isinstance(value, (int, float)):
        return None
    return f"{value:.2e}" if value >= 1e10 else f"{value:,.0f}"


def duration(seconds: object) -> str | None:
    """Seconds as hours, minutes and seconds."""
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def curves(run: RunFolder) -> str:
    """The section with the three panels of curves."""
    if not run.metrics:
        return '<p class="absent">No metrics.jsonl in this run, so there are no curves.</p>'
    names = {"loss": "Loss", "learning_rate": "Learning rate", "tokens_per_second": "Speed"}
    pictures = curve_svgs(run.metrics)
    figures = [f"<figure><figcaption>{names[key]}</figcaption>{pictures[key]}</figure>" for key in PANELS]
    return (
        '<p class="note">Phases follow one another from left to right, a dotted line between them; their losses are '
        "of different tasks. Long curves are means over stretches of steps.</p>"
        f'<div class="curves">{"".join(figures)}</div>'
    )


def attention(run: RunFolder) -> str:
    """The section with the cross-attention maps."""
    if not run.attention:
        return '<p class="absent">No attention.json in this run, so there are no attention maps.</p>'
    maps = [
        f'<figure><figcaption>Example {number}{cut_note(example)}</figcaption><div class="scroll" tabindex="0" '
        f'role="region" aria-label="Attention map {number}">{attention_map(example)}</div></figure>'
        for number, example in enumerate(run.attention, start=1)
    ]
    return (
        '<p class="note">Cross-attention of the last decoder layer, averaged over its heads. Each row is one generated '
        "piece; the stronger the colour of a square, the more that step looked at the source piece above it (the "
        "strength is the weight's square root, so that weak ones are seen). ▕ ends a word, ␣ is a blank, ↵ the end of "
        f'a line. Rest the pointer on a square for its number.</p><div class="maps">{"".join(maps)}</div>'
    )


def cut_note(example: dict[str, Any]) -> str:
    """A note under a map that is too large to be shown whole."""
    longest = max(len(example["source"]), len(example["target"]))
    return f" (the first {MAX_PIECES} of {longest} pieces)" if longest > MAX_PIECES else ""


def settings(run: RunFolder) -> str:
    """The section with the configuration and the environment, folded."""
    parts = [tree("Configuration", run.config)]
    parts.append(tree("Environment", run.environment) if run.environment else
                 '<p class="absent">No environment.json in this run.</p>')
    words = run.environment.get("command")
    command = f" Made by <code>{escape(shlex.join(['python', *map(str, words)]))}</code>." if words else ""
    note = f'<p class="note">config.json holds all that is needed to run it again.{command}</p>'
    return note + "".join(parts)


def tree(title: str, content: dict[str, Any]) -> str:
    """A mapping as a folded table, one row per setting, with dotted names as on the command line."""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{escape(value)}</td></tr>'
        for name, value in flat(content)
    )
    table = f'<div class="scroll"><table class="settings">{rows}</table></div>'
    return f'<details class="list"><summary>{title}</summary>{table}</details>'


def flat(content: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The values of nested mappings by dotted name, in the file's order."""
    rows = []
    for key, value in content.items():
        if isinstance(value, dict) and value:
            rows += flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)))
    return rows
