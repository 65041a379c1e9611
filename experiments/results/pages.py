"""docs/results.md, an index, and the pages in docs/results/ that it points to: one for a suite or a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

from experiments.benchmarks.columns import COLUMNS
from experiments.benchmarks.recipes import BENCHMARKS
from experiments.benchmarks.tables import page_section
from experiments.laboratory.analysis import analyse
from experiments.laboratory.paired_runs import differences, equality_verdict, newest, pairs_of
from experiments.laboratory.suite import Suite, load_suite, names
from experiments.record.cells import NOT_RUN, NOTHING, table
from experiments.record.lines import said_of_codes
from experiments.record.records import Record, figures, runs
from experiments.record.targets import DROPOUT_KINDS, DROPOUT_MARGIN, DROPOUT_SCORE
from experiments.results import front, six_strategies
from experiments.results.sections import (
    BF16_KINDS,
    BF16_SCORES,
    INTERVALS_NOTE,
    SEARCH_PREFIX,
    TITLES,
    least_loss,
    section,
    target_in_words,
)
from experiments.results.suites_page import suite_section

Suites = Mapping[str, list[Record]]
INDEX_HEAD = f"""# Results

Made by `python -m experiments.results` from the lines in `docs/results/*.jsonl`; changes by hand are overwritten. Each
page has tables, how its runs were made, and the command. What was promised, with verdicts: [targets.md](targets.md);
published findings, with what came out here: [claims.md](claims.md).

{INTERVALS_NOTE}
"""
QUESTIONS = {
    "quickstart": "How many of the quick start's programs pass their tests?",
    "django": "How far does one run on Django get, with the copy head and without?",
    "django_1000": "1,000 pairs of Django: does the first pretraining help?",
    "speed": "How fast does it train and write, beside others?",
    "dropout": "Do fast dropout masks change what is learnt?",
    "bf16": "Do bfloat16 products cost accuracy?",
    "gradient_norms": "Where do gradients go before the first step?",
    "choosing": "What does each way of choosing among hypotheses add?",
    "few_shot": "Does meta-learning prepare for a family of tasks that was not seen?",
    "checks": "Time, memory, corpus: is what was promised kept?",
    "norm_and_warmup": "Where do norms go, and is a warm-up needed?",
    "operations": "How many operations does the base master?",
    "pieces": "What is each piece worth?",
    "positions": "How does order enter best?",
    "pretraining": "What is pretraining worth?",
    "strategies_meta": "Does meta-learning learn the tasks that it sees?",
}
OVER_EXAMPLES = ("quickstart", "django", "django_1000", "choosing")  # pages with intervals over examples
SHOWN_COLUMNS = {"django": "TranX's protocol", "hearthstone": "literature's BLEU"}  # of several; else the last


@dataclass(frozen=True)
class Page:
    """One page of results."""

    name: str  # of its file in docs/results
    question: str
    answer: str  # in one sentence
    text: str


def results_pages(suites: Suites) -> list[Page]:
    """Measurements and single runs, benchmarks, the six strategies, the suites of the laboratory, in this order."""
    elsewhere = {*names(), "benchmarks"}
    others = [name for name in suites if name not in elsewhere and name not in TITLES]
    found = [measurement_page(suites, name) for name in (*TITLES, *others)]
    found += [benchmark_page(suites, name) for name in COLUMNS]
    found.append(strategies_page(suites))
    return found + [suite_page(load_suite(name), suites[name]) for name in names() if suites.get(name)]


def index(pages: list[Page]) -> str:
    """The whole of docs/results.md."""
    rows = [[page.question, page.answer, f"[{page.name}](results/{page.name}.md)"] for page in pages]
    return INDEX_HEAD + "\n" + table(["question", "answer", "page"], rows)


def from_results(text: str) -> str:
    """A text written for docs/, with its links changed for a page in docs/results/."""
    for place in ("suites/", "claims.md", "results.md", "targets.md"):
        text = text.replace(f"]({place}", f"](../{place}")
    return text


def make_page(name: str, title: str, question: str, answer: str, body: str, note: str = "") -> Page:
    """A page with its head: title, answer, and what its intervals are."""
    head = f"# {title}\n\nMade by `python -m experiments.results`. [All results](../results.md).\n\n"
    said = f"**{question}** {answer[:1].upper()}{answer[1:]}.\n\n"
    return Page(name, question, answer, head + said + from_results(note + body))


def measurement_page(suites: Suites, name: str) -> Page:
    """The page of a suite of single runs or measured values."""
    found = figures(suites.get(name, []))
    question = QUESTIONS.get(name, f"What does a search over {name.removeprefix(SEARCH_PREFIX)} find?")
    answer = ANSWERS.get(name, best_draw)(suites, name) if found else NOT_RUN
    note = f"{INTERVALS_NOTE}\n" if name in OVER_EXAMPLES else ""
    codes = [line.code_hash for line in found if line.code_hash]
    said = "".join(f"\n{sentence}\n" for sentence in said_of_codes(suites.get(name, []), codes))
    return make_page(name, TITLES.get(name, name), question, answer, section(name, found) + said, note)


def benchmark_page(suites: Suites, name: str) -> Page:
    """The page of a published benchmark."""
    lines, column = suites.get("benchmarks", []), SHOWN_COLUMNS.get(name, list(COLUMNS[name])[-1])
    networks = len(BENCHMARKS[name].decoding)
    who = "one network" if networks == 1 else f"{networks - 1} networks and a reverse reranker"
    found = [line for line in figures(lines) if line.row.startswith(f"{name}, ") and line.column == column]
    ours = next((line for line in reversed(found) if line.who == "this project" and "new" not in line.part), None)
    answer = NOT_RUN
    if ours is not None:
        looked_up = [line.value for line in found if line.who == front.LOOK_UP and line.part == ours.part]
        beside = f", where a look-up has {looked_up[-1]:.1f}" if looked_up else ""
        said = f"{ours.value:.1f}" if ours.unit in column else f"{ours.value:.1f}{ours.unit}"
        part = ours.part.replace("_", "-")
        answer = f"{said} {column} on {part} lines{beside}; {who}, one seed" + " each" * (networks > 1)
    body = page_section(name, lines, suites.get("choosing", []))
    question = f"How good is it on {name}, by the rules of those who published?"
    return make_page(f"benchmark_{name}", f"Published benchmark: {name}", question, answer, body)


def strategies_page(suites: Suites) -> Page:
    """The page of the six strategies, from two suites."""
    said = six_strategies.readme_row(suites)[2].replace("*", "").split(";")[0]
    body = six_strategies.page_section(suites)
    question = "Do the six strategies of fine-tuning gain where their papers say?"
    answer = f"{said} of six, over five seeds" if suites.get("strategies") else NOT_RUN
    return make_page("six_strategies", "The six strategies of fine-tuning", question, answer, body)


def suite_page(suite: Suite, lines: list[Record]) -> Page:
    """The page of a suite of the laboratory."""
    analysis = analyse(suite, lines)
    answers = Counter(analysis.answer(claim) for claim in suite.claims)
    said = f"of {len(suite.claims)} claims " + ", ".join(f"{n} {answer}" for answer, n in answers.items())
    answer = said if suite.claims else f"{len(analysis.lines)} rows beside each other, no claim"
    question = QUESTIONS.get(suite.name, f"{suite.title}?")
    return make_page(suite.name, suite.title, question, answer, suite_section(suite, lines))


def programs_that_pass(suites: Suites, name: str) -> str:
    """The shares of the quick start's programs that pass their tests."""
    return front.what_it_writes(suites)[1]


def single_runs(suites: Suites, name: str) -> str:
    """The exact dev lines of each row's newest run."""
    newest_runs = {line.row: line for line in runs(suites[name])}
    parts = []
    for row, line in newest_runs.items():
        scores = line.scores["dev"]
        known, new = (scores[metric]["value"] for metric in ("exact_match", "exact_match_without_duplicates"))
        parts.append(f"{row} {100 * known:.1f}% of all dev lines, {100 * new:.1f}% of those not in training")
    return "; ".join(parts) + "; one run of each, no verdict"


def speeds(suites: Suites, name: str) -> str:
    """The ratios of training and of writing, on each machine."""
    trains, writes = front.training_speed(suites), front.writing_speed(suites)
    return f"training {trains[1]} ({trains[2]}), one description at a time with beam 4 {writes[1]} ({writes[2]})"


def dropout(suites: Suites, name: str) -> str:
    """Whether the two kinds of masks are equal."""
    lines = newest(runs(suites[name]), "dropout_masks")
    return equality_verdict(pairs_of(lines, DROPOUT_KINDS, DROPOUT_SCORE), DROPOUT_MARGIN)


def bf16(suites: Suites, name: str) -> str:
    """The mean change of the held-out loss."""
    lines = runs(suites[name])
    pairs = pairs_of([line for line in lines if line.code_hash == lines[-1].code_hash], BF16_KINDS, BF16_SCORES[0][1])
    return f"the held-out loss changes by {fmean(differences(pairs)):+.2f}% over {len(pairs)} seeds"


def gradients(suites: Suites, name: str) -> str:
    """The gradient norm in the last layer over that in the first, of the deepest networks."""
    lines = {line.row: line for line in figures(suites[name])}
    ratios = {row: line.value / line.layers[0] for row, line in lines.items() if "12 layers" in row}
    return "last decoder layer over first: " + ", ".join(f"{row} {ratio:.2f}" for row, ratio in ratios.items())


def choosing(suites: Suites, name: str) -> str:
    """Django's dev lines by one network, greedily, and by the best choice among all networks."""
    values = {line.row: line.value for line in figures(suites[name])}
    shown = {"one network, greedy": "one seed", "3 networks, reverse model": "beam 8"}
    said = [f"{row}, {how} {values[row]:.1f}%" for row, how in shown.items() if row in values]
    looked_up = front.measured_lines(suites, "benchmarks", f"django, dev, strict, {front.LOOK_UP}")
    return "; ".join([*said, *(f"look-up {line.value:.1f}%" for line in looked_up[-1:])]) or NOT_RUN


def few_shot(suites: Suites, name: str) -> str:
    """The difference that was claimed of meta-learning."""
    kind, k = six_strategies.CLAIMED
    line = {line.row: line for line in figures(suites[name])}.get(f"{kind} against plain, k {k}")
    if line is None:
        return NOT_RUN
    return f"{kind} {line.value:+.1f} points against plain training after {k} examples, over {line.over}"


def checks(suites: Suites, name: str) -> str:
    """How many of the newest values reach their target."""
    newest_values = {(line.row, line.machine): line for line in figures(suites[name])}.values()
    said = [shown for line in newest_values if (shown := target_in_words(line)) != NOTHING]
    return f"{said.count('yes')} of {len(said)} targets are met"


def best_draw(suites: Suites, name: str) -> str:
    """The draw with the least held-out loss."""
    best = least_loss(runs(suites[name]))[0]
    return f"the least held-out loss, {best.held_out_loss:.4f}, has {best.row}"


ANSWERS: dict[str, Callable[[Suites, str], str]] = {
    "quickstart": programs_that_pass, "django": single_runs, "django_1000": single_runs, "speed": speeds,
    "dropout": dropout, "bf16": bf16, "gradient_norms": gradients, "choosing": choosing, "few_shot": few_shot,
    "checks": checks,
}  # fmt: skip
