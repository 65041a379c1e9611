"""The summary in the terminal after scoring: a table of scores, and a few descriptions with their code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluation.evaluate import EXAMPLES_SHOWN, Scored
from evaluation.exact_match import exact_match
from evaluation.finished_run import RunFolder, read_run_folder
from evaluation.metrics import WITHOUT_BLEU, too_short_for_bleu
from system.atomic_files import write_atomically
from system.terminal import shown

METRIC_TITLES = {
    "tests_passed": "tests passed",
    "exact_match_without_duplicates": "exact, new pairs",
    "exact_match": "exact",
    "parses": "parses",
    "bleu": "BLEU",
    "chrf": "chrF",
}


def score_table(results: list[Scored], run: RunFolder) -> str:
    """The table of scores: one line per split above its baselines, shares in percent with intervals over examples."""
    columns = [key for key in METRIC_TITLES if any(key in scored.scores for scored in results)]
    rows = [["", "n", *(METRIC_TITLES[key] for key in columns)]]

    for scored in results:
        rows.append([scored.split, str(len(scored.references)), *(cell(key, scored.scores) for key in columns)])
        new = scored.scores.get("tests_passed_new_programs")
        if new:
            cells = (cell(key, {"tests_passed": new}) for key in columns)
            rows.append(["  of these, new programs", str(new["n"]), *cells])
        gold = run.beside.get("gold_parses", {}).get(scored.split)
        if gold is not None:
            cells = (f"{100 * gold:.1f}%" if key == "parses" else "-" for key in columns)
            rows.append(["  the references", "", *cells])
        for name, splits in run.baselines.items():
            if scored.split in splits:  # perturbed splits have none
                rows.append([f"  {name}", "", *(cell(key, splits[scored.split]) for key in columns)])

    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) if column == 0 else text.rjust(width)
                  for column, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def cell(key: str, scores: dict[str, Any]) -> str:
    """'93.1% (91.5-94.6)', or a dash where there is no such score."""
    if key not in scores:
        return "-"
    score = scores[key]
    if key in ("bleu", "chrf"):
        return f"{score['value']:.1f} ({score['low']:.1f}-{score['high']:.1f})"
    return f"{100 * score['value']:.1f}% ({100 * score['low']:.1f}-{100 * score['high']:.1f})"


def examples_shown(scored: Scored) -> str:
    """Five descriptions, evenly spread over the split, with the generated code and what its tests said."""
    blocks = []
    step = max(1, len(scored.references) // EXAMPLES_SHOWN)
    for index in range(0, min(len(scored.references), step * EXAMPLES_SHOWN), step):
        example, prediction = scored.references[index], scored.predictions[index]
        code = "\n".join("    " + line for line in prediction.splitlines()) or "    (nothing)"
        blocks.append(f"{example.nl}\n{code}\n  -> {verdict(scored, index)}")
    return "\n\n".join(blocks)


def verdict(scored: Scored, index: int) -> str:
    """Whether the program passed its tests; without tests, whether it equals the reference."""
    if scored.outcomes is None:
        reference = scored.references[index]
        same = exact_match(reference.code, scored.predictions[index], reference.language)
        return "equals the reference" if same else f"the reference: {reference.code}"
    outcome = scored.outcomes[index]
    return "passed its tests" if outcome.passed else f"{outcome.status}: {outcome.message}"


def show_results(run: Path, results: list[Scored], config: dict[str, Any]) -> None:
    """Write the report; print the table, the examples and where the rest lies. `config`: what config.json says."""
    from evaluation.report.page import write_report  # matplotlib takes long to import, and training does not need it

    folder = read_run_folder(run, config)
    page = write_report(folder)
    if results:
        print("\nScores (in brackets: 95% interval over examples)\n")
        print(shown(score_table(results, folder)))
        for scored in results:
            if too_short_for_bleu(example.code for example in scored.references):
                print(f"{scored.split}: {WITHOUT_BLEU}")
    else:
        print("\nNo scores: there is no line to score; give a folder with a test file, or hold lines out")
    for scored in results[:1]:
        print(f"\nFive descriptions of {scored.split} and the generated code\n")
        print(shown(examples_shown(scored)))
    print(shown(f"\nrun folder  {run}\nreport      {page}"))


def write_scores_json(path: Path, run: Path) -> None:
    """Write the scores of the table, and those by length, as JSON: a copy of the run's scores.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (run / "scores.json").read_bytes())
