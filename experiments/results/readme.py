"""The table of docs/targets.md: what was promised, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from evaluation.report.scores import METRICS, is_score, readable
from experiments.laboratory import tables
from experiments.laboratory.analysis import Analysis, analyse
from experiments.laboratory.metrics import SUITE_METRICS, Metric
from experiments.laboratory.statistics import OUT_OF_REGIME
from experiments.laboratory.suite import load_suite
from experiments.record.cells import NOT_RUN, code, duration, machine_in_words, measurement_in_words, ratio, table
from experiments.record.commands import todays_command
from experiments.record.records import Figure, Measured, Record, ResultLine, figures, look_up
from experiments.record.targets import EFFECTS, MET, TARGETS, EffectTarget, Target, compare_with_target, in_target_words
from experiments.results.sections import score_cell

EXAMPLES_IN_WORDS = {  # which examples a score in the table is over
    "exact_match_without_duplicates": "without duplicates ",
    "exact_match": "all lines ",
    "tests_passed_new_programs": "new programs ",
    "tests_passed": "all tasks ",
}


def readme_table(suites: Mapping[str, list[Record]], effects: Sequence[list[str]] = ()) -> str:
    """The table of promises and results, with a note. `effects`: rows about suites of the laboratory."""
    rows = [*(readme_row(target, figures(suites.get(target.suite, []))) for target in TARGETS), *effects]
    note = (
        "In round brackets the 95% interval, over the examples of one run where nothing else is said, which is not one "
        "over runs; in square brackets the baselines on the same examples. *Met* is said where the whole interval, or "
        "the range of a ratio's rounds, lies on the right side of the target, *undecided* where the figure alone does. "
        "How each figure was made: [results.md](results.md).\n"
    )
    return table(["what", "target", "result", "machine", "command"], rows) + "\n" + note


def readme_row(target: Target, lines: list[Figure]) -> list[str]:
    """The row of one promise. Of several lines the first one made with the newest code and configuration counts.

    A measurement depends on the machine, so the last one of each machine stands there, with its own verdict.
    """
    shown = lines_to_show(lines, target.row)
    if not shown:
        return [target.what, target.wanted, NOT_RUN, "", ""]
    between = "; " if len(shown) == 1 else ", "
    results = [between.join(filter(None, (values_of(target, line), met_in_words(target, line)))) for line in shown]
    if len(shown) > 1:
        results = [f"{machine_in_words(line.machine)}: {result}" for line, result in zip(shown, results, strict=True)]
    return [
        target.what, target.wanted, "; ".join(results),
        "; ".join(dict.fromkeys(machine_in_words(line.machine) for line in shown)),
        " ".join(dict.fromkeys(code(todays_command(line.command)) for line in shown)),
    ]


def lines_to_show(lines: list[Figure], row: str) -> list[Figure]:
    """The line that stands for a row: the first that has the code and the configuration of the row's last line.

    Running further seeds therefore never changes which one is shown. Of measurements each machine's last one stands.
    """
    same = [line for line in lines if line.row == row]
    if not same or isinstance(same[-1], Measured):
        return list({line.machine: line for line in same}.values())
    last = same[-1].code_hash, same[-1].config_hash
    return [next(line for line in same if (line.code_hash, line.config_hash) == last)]


def values_of(target: Target, line: Figure) -> str:
    """Every value that the target names, with the baselines of the scores among them."""
    return ", ".join(part for part in (value_of(path, line) for path in target.values) if part) or "not scored"


def value_of(path: tuple[str, ...], line: Figure) -> str:
    """One value of a line in words; nothing where the line does not have it."""
    found = look_up(line, path)
    if found is None:
        return ""
    if path[0] == "scores":
        return score_with_baselines(line, *path[1:])
    if path[0] == "ratio":
        return ratio(found)
    if path[0] == "value":
        return measurement_in_words(line)
    if path[0] == "minutes":
        return f"{found:.1f} minutes of two cores"
    if path[0] == "parameters":
        return f"{found / 1e6:.1f} M parameters"
    return f"{duration(found)} of training"


def score_with_baselines(line: ResultLine, split: str, metric: str) -> str:
    """A score, the examples that it is over, and the baselines' scores on the same examples."""
    beside = [
        f"{readable(name)} {METRICS[metric].write(splits[split][metric]['value'])}"
        for name, splits in line.baselines.items()
        if is_score(splits.get(split, {}).get(metric))
    ]
    baselines = f" [{', '.join(beside)}]" if beside else ""
    return f"{EXAMPLES_IN_WORDS.get(metric, '')}{score_cell(metric, line.scores[split][metric])}{baselines}"


def met_in_words(target: Target, line: Figure) -> str:
    """Whether the line reaches the target, in words; nothing where there is no target."""
    found = compare_with_target(target, line)
    return found if found in ("", MET) else f"**{found}**"


def effect_rows(lines: Mapping[str, list[Record]]) -> list[list[str]]:
    """The rows about what was promised of suites: what, target, result, machine, command."""
    suites = {target.suite for target in EFFECTS}
    analyses, rows = {name: analyse(load_suite(name), lines.get(name, [])) for name in suites}, []
    for target in EFFECTS:
        analysis = analyses[target.suite]
        made_on = dict.fromkeys(machine_in_words(line.machine) for line in analysis.lines.get(target.row, []))
        wanted = f"at least {target.at_least:+g} {SUITE_METRICS[target.metric].difference_unit}"
        command = f"`python -m experiments.ablate {target.suite}`"
        rows.append([target.what, wanted, effect_in_words(analysis, target), "; ".join(made_on), command])
    return rows


def effect_in_words(analysis: Analysis, target: EffectTarget) -> str:
    """Both means, the difference with its interval, and whether it is what was promised."""
    metric, against = SUITE_METRICS[target.metric], analysis.suite.against(target.row)
    effect = analysis.effects[target.metric].get((target.row, against))
    if effect is None:
        return NOT_RUN

    values = [analysis.values[target.metric][row] for row in (target.row, against)]
    seeds = values[0].keys() & values[1].keys()
    means = [fmean(of_row[seed] for seed in seeds) for of_row in values]
    row, base = (f"{metric.write(mean)}{metric.unit}" for mean in means)
    name, baseline = tables.strongest_baseline(analysis, against, target.metric) or ("", None)
    interval = f"{metric.write(effect.low, True)} to {metric.write(effect.high, True)} over {effect.n} seeds"
    beside = "" if baseline is None else f" [{name} {metric.write(baseline)}{metric.unit}]"

    said = in_target_words(effect.mean, (effect.low, effect.high), target.at_least)
    _, why = analysis.verdict_and_note(target.row, target.metric)
    outside = analysis.verdict(target.row, target.metric) == OUT_OF_REGIME
    notes = [] if outside and said == MET else [said if said == MET else f"**{said}**"]
    if baseline is not None and means[1] < baseline:
        notes.append(f"**its base has {base} where a look-up has {metric.write(baseline)}{metric.unit}**")
    notes += [tables.word_and_note(f"**{OUT_OF_REGIME}**", why)] if outside else []
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
