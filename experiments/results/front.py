"""README's ten rows: what a visitor asks, the answer, what stands beside it, and the command that made it."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from textwrap import fill

from evaluation.report.scores import readable
from experiments.benchmarks.published import PUBLISHED, Published
from experiments.benchmarks.recipes import BENCHMARKS
from experiments.laboratory.analysis import analyse
from experiments.laboratory.metrics import SUITE_METRICS
from experiments.laboratory.suite import BASE_ROW, load_suite
from experiments.laboratory.tables import strongest_baseline
from experiments.record.cells import NOT_RUN, code, duration, in_unit, machine_in_words, table
from experiments.record.records import Measured, Record, ResultLine, figures, look_up
from experiments.results import six_strategies
from experiments.results.readme import lines_to_show

Suites = Mapping[str, list[Record]]
LOOK_UP = "nearest, words substituted"  # the strongest baseline: the nearest training pair, words exchanged
SHOWN_PIECES = ("no layer norm", "no positions", "no causal mask")  # rows of the suite `pieces`
TRAINING_ROW, WRITING_ROW = "training, shape A", "beam 4, batch 1, against CTranslate2"  # rows of the suite `speed`
UNBROKEN = {"break_long_words": False, "break_on_hyphens": False}
FRONT_NOTE = (
    "In brackets the 95% interval over the examples of one run. *Look-up* takes the nearest training pair's code and "
    "exchanges words; the reverse model describes the code that was written. {machines} All rows with their targets: "
    "[docs/targets.md](docs/targets.md); how each figure was made: [docs/results.md](docs/results.md)."
)


def front_table(suites: Suites) -> str:
    """The table between README's markers, and a note."""
    rows = [row(suites) for row in (
        cost, what_it_writes, one_network, best_of_django, nl2bash, pretraining, strategies, training_speed,
        writing_speed, pieces,
    )]  # fmt: skip
    note = FRONT_NOTE.format(machines=machines_note(suites))
    return table(["question", "answer", "beside it", "command"], rows) + "\n" + fill(note, 120, **UNBROKEN) + "\n"


def machines_note(suites: Suites) -> str:
    """A sentence that names the machines of the speeds, in their order."""
    found = [machine_in_words(line.machine) for line in measured_lines(suites, "speed", TRAINING_ROW)]
    return f"Speeds are those of {'; and of '.join(found)}." if found else ""


def not_run(question: str) -> list[str]:
    """The row of a question for which there are no lines."""
    return [question, NOT_RUN, "", ""]


def measured_lines(suites: Suites, suite: str, row: str) -> list[Measured]:
    """Each machine's last measurement of a row."""
    return [line for line in lines_to_show(figures(suites.get(suite, [])), row) if isinstance(line, Measured)]


def cost(suites: Suites) -> list[str]:
    """Wall time and memory of the quick start."""
    question = "What does the quick start cost?"
    time, memory = (measured_lines(suites, "checks", f"quickstart {what}") for what in ("wall time", "peak memory"))
    if not time or not memory:
        return not_run(question)
    answer = f"{duration(time[-1].value)}, {in_unit(memory[-1].value, memory[-1].unit)} at most"
    machine = machine_in_words(time[-1].machine).partition(",")[0]
    return [question, answer, machine, code("python -m experiments.checks quickstart")]


def what_it_writes(suites: Suites) -> list[str]:
    """Tests passed by the quick start's programs: all, those that are new, those longer than in training."""
    question = "How many of its programs pass?"
    found = lines_to_show(figures(suites.get("quickstart", [])), "quickstart")
    if not found or not isinstance(found[0], ResultLine):
        return not_run(question)
    line, split = found[0], "in_distribution"
    every, new, longer = (
        f"{100 * look_up(line, ('scores', *path, 'value')):.1f}%"
        for path in ((split, "tests_passed"), (split, "tests_passed_new_programs"), ("longer", "tests_passed"))
    )
    nothing = {readable(name): scores for name, scores in line.baselines.items()}[LOOK_UP]
    looked_up = f"look-up {100 * nothing[split]['tests_passed']['value']:.1f}%"
    return [question, f"{every}, new ones {new}, longer ones {longer}; one seed", looked_up, code("python train.py")]


def one_network(suites: Suites) -> list[str]:
    """Django by one network, without a search, beside what learns nothing."""
    question = "Django lines, exact?"
    found = measured_lines(suites, "choosing", "one network, greedy")
    looked_up = measured_lines(suites, "benchmarks", f"django, dev, strict, {LOOK_UP}")
    if not found or not looked_up:
        return not_run(question)
    line = found[-1]
    answer = f"{line.value:.1f}% ({line.low:.1f} to {line.high:.1f}) on dev: one network, one seed, greedy"
    best = best_published("strict")
    beside = f"look-up {looked_up[-1].value:.1f}%, {best.name.partition(' (')[0]} {best.figures['strict']:.1f}%"
    return [question, answer, beside, code("python -m experiments.studies.choosing")]


def best_published(column: str) -> Published:
    """The published system that is best on Django in a column."""
    return max((one for one in PUBLISHED["django"] if column in one.figures), key=lambda one: one.figures[column])


def best_of_django(suites: Suites) -> list[str]:
    """Django by all networks of the benchmark, beside the best published figure of the same protocol."""
    question, column = "And with all that helps?", "TranX's protocol"
    found = measured_lines(suites, "benchmarks", f"django, dev, {column}")
    if not found:
        return not_run(question)
    line, networks = found[-1], len(BENCHMARKS["django"].decoding)
    answer = f"{line.value:.1f}%: {networks - 1} networks, reverse reranker, beam 8; {line.minutes:.0f} min"
    best = best_published(column).figures[column]
    return [question, answer, f"published {best:.1f}% on test", code("python -m experiments.benchmarks django")]


def nl2bash(suites: Suites) -> list[str]:
    """NL2Bash: a benchmark where the network is below a look-up."""
    question, name = "And Bash, new templates?", "nl2bash, dev"
    exact, bleu = (measured_lines(suites, "benchmarks", f"{name}, {column}") for column in ("exact", "BLEU"))
    beside = measured_lines(suites, "benchmarks", f"{name}, BLEU, {LOOK_UP}")
    if not exact or not bleu or not beside:
        return not_run(question)
    answer = f"{exact[-1].value:.1f}% exact, {bleu[-1].value:.1f} BLEU; one seed, beam 4"
    return [question, answer, f"look-up {beside[-1].value:.1f} BLEU", code("python -m experiments.benchmarks nl2bash")]


def pretraining(suites: Suites) -> list[str]:
    """What the best pretraining of the suite brings to few pairs and to all, beside a look-up."""
    question, rows = "Does pretraining pay?", ("infilling, 8 M", "infilling, 8 M, all pairs")
    analysis, metric = analyse(load_suite("pretraining"), suites.get("pretraining", [])), SUITE_METRICS["dev_new"]
    effects = [analysis.effects["dev_new"].get((row, analysis.suite.against(row))) for row in rows]
    if None in effects:
        return not_run(question)
    against = analysis.suite.against(rows[0])
    after, before = (analysis.values["dev_new"][row] for row in (rows[0], against))
    paired = after.keys() & before.keys()
    means = [metric.write(fmean(values[seed] for seed in paired)) for values in (before, after)]
    every = metric.write(effects[1].mean, True) + (" points" if effects[1].decides else ", no verdict")
    answer = f"1,000 pairs: {means[1]}% of new lines after {means[0]}%; all pairs: {every}"
    beside = strongest_baseline(analysis, against, "dev_new")
    looked_up = f"{beside[0].replace(LOOK_UP, 'look-up')} {metric.write(beside[1])}%" if beside else ""
    return [question, answer, looked_up, code("python -m experiments.ablate pretraining")]


def strategies(suites: Suites) -> list[str]:
    """How many of the six strategies gain where their papers say."""
    question = "Do six ways to fine-tune gain?"
    said = six_strategies.readme_row(suites)[2].split(";")[0]
    if not suites.get("strategies"):
        return not_run(question)
    command = code("python -m experiments.ablate strategies")
    return [question, f"{said} of six, over 5 seeds", "plain, equal FLOPs", command]


def training_speed(suites: Suites) -> list[str]:
    """Training beside the fastest of other libraries, machine by machine."""
    return speed_row(suites, "How fast does it train?", TRAINING_ROW)


def writing_speed(suites: Suites) -> list[str]:
    """Decoding one description beside CTranslate2, machine by machine."""
    return speed_row(suites, "How fast does it write, beam 4?", WRITING_ROW)


def speed_row(suites: Suites, question: str, row: str) -> list[str]:
    """A row with a ratio for each machine; below 1 this project is slower."""
    found = measured_lines(suites, "speed", row)
    if not found:
        return not_run(question)
    times = [f"{line.ratio['median']:.2f} times" + " (slower)" * (line.ratio["median"] < 1) for line in found]
    beside = " and ".join(dict.fromkeys(line.against for line in found))
    return [question, " and ".join(times), beside, code("python -m experiments.speed")]


def pieces(suites: Suites) -> list[str]:
    """Tests passed by networks that lack a piece, beside the whole one."""
    question, analysis = "What can be left out?", analyse(load_suite("pieces"), suites.get("pieces", []))
    values, metric = analysis.values[analysis.suite.score], SUITE_METRICS[analysis.suite.score]
    if not all(values.get(row) for row in (BASE_ROW, *SHOWN_PIECES)):
        return not_run(question)
    means = {row: f"{metric.write(fmean(values[row].values()))}%" for row in (BASE_ROW, *SHOWN_PIECES)}
    shown = ", ".join(f"{row} {means[row]}" for row in SHOWN_PIECES)
    return [question, shown, f"whole {means[BASE_ROW]}", code("python -m experiments.ablate pieces")]
