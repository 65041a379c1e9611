"""The page shows what the run folder holds, says what is missing, and runs nothing that a model wrote."""

import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from evaluation.finished_run import read_run_folder
from evaluation.report.attention_map import attention_map
from evaluation.report.curves import MAX_POINTS, curve_svgs, split_phases, thinned
from evaluation.report.page import page_of, write_report
from evaluation.report.predictions import best_and_worst
from system.errors import UserError

EVIL = "<script>alert('x')</script> & \"q\""
UNSEEN = "\u202egnitset\u202c \u2066x\u2069 a\u200bb \ufeff\u00ad \x9b \U000e0041"
OWN = "document.title='OWNED'"
ATTACKS = [
    f"</script><script>{OWN}</script>", f'<img src=x onerror="{OWN}">', f"<svg onload={OWN}>", f"';{OWN};//",
    f"]]><script>{OWN}</script>", f"<!--<script>{OWN}</script>-->", f"--><script>{OWN}</script>",
    f"</code></pre></article><script>{OWN}</script>", f"</title></style><script>{OWN}</script>",
    f'<iframe srcdoc="<script>parent.{OWN}</script>">', f"<details open ontoggle={OWN}>",
    "<style>*{display:none}</style>",
    '<meta http-equiv=refresh content="0;url=http://evil.example/">', '<base href="http://evil.example/">',
    f'<math><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={OWN}&gt;">', f"\u003cscript>{OWN}",
    f"<a href=\"javascript:{OWN}\">x</a>", "w" * 600, UNSEEN, "\x07\x1b[31mred\x1b[0m\x7f", "a\u2028b\u2029c",
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
VOID = {"meta", "br", "img", "link", "hr", "input", "source"}


def write(path, content):
    lines = isinstance(content, list) and path.suffix == ".jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in content) if lines else json.dumps(content))


def folder_of(run):
    """The run folder as a report reads it."""
    return read_run_folder(run, json.loads((run / "config.json").read_text()))


def metrics(steps=30):
    return [
        {"phase": phase, "step": step, "loss": 8 / step, "learning_rate": 1e-3, "tokens_per_second": 9000.0}
        for phase in ("pretraining", "training")
        for step in range(1, steps + 1)
    ]


def prediction(number, passed=None, exact=False, score=50.0, **more):
    record = {"split": "dev", "id": f"dev-{number}", "nl": f"do {number}", "reference": f"f({number})",
              "prediction": f"g({number})", "passed": passed, "status": "", "exact": exact, "score": score}
    return record | more


@pytest.fixture
def run(tmp_path):
    """A finished run, everything that others wrote being hostile."""
    folder = tmp_path / "run <i>one"
    folder.mkdir()
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 200}
    write(folder / "config.json", {"seed": 3, "data": {"path": EVIL}})
    write(folder / "environment.json", {"date": "2026-01-02", "device": EVIL, "cores": 2})
    write(folder / "budget.json", {"steps": 60, "tokens": 1234567, "seconds": 3725.0, "peak_memory_mib": 900.5})
    write(folder / "metrics.jsonl", metrics())
    scores = {"dev": {"exact_match": score, "bleu": {"value": 61.25, "low": 60.0, "high": 62.0, "n": 200}}}
    write(folder / "scores.json", scores | {"baselines": {EVIL: {"dev": {"exact_match": score | {"value": 0.125}}}}})
    hostile = prediction(0, nl=EVIL, reference=EVIL, prediction="</pre>" + EVIL, id=EVIL, split=EVIL, status=EVIL)
    write(folder / "predictions.jsonl", [hostile, prediction(1, exact=True, score=100.0, prediction="f(1)")])
    write(folder / "attention.json", [
        {"source": [EVIL, "b"], "target": ["</svg>", "c", "d"], "weights": [[0.9, 0.1]] * 3, "copy": [0.2, 0.3, 0.9]}
    ])
    return folder


class Balance(HTMLParser):
    """Keeps the open tags; every end tag must close the last open one."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.text.append(data)


def read(page):
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_nothing_that_was_written_by_others_becomes_markup(run):
    parser = read(write_report(folder_of(run)).read_text(encoding="utf-8"))
    tags = {tag for tag, _ in parser.seen}
    assert not tags & {"script", "iframe", "link", "img", "object"}
    assert not any(name.startswith("on") for _, attributes in parser.seen for name in attributes)
    assert "<script>alert('x')</script>" in "".join(parser.text)


def test_the_page_needs_no_network(run):
    page = write_report(folder_of(run)).read_text(encoding="utf-8")
    for _, attributes in read(page).seen:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_scores_intervals_and_baselines_are_shown(run):
    text = "".join(read(write_report(folder_of(run)).read_text(encoding="utf-8")).text)
    for shown in ("50.0%", "40.0 to 60.0", "61.2", "60.0 to 62.0", "12.5%", "interval over examples", "1 h 2 min"):
        assert shown in text


def test_scores_by_length_signatures_and_the_references_own_share_are_shown(run):
    scores = json.loads((run / "scores.json").read_text())
    group = {"shortest": 6, "longest": 10, "value": 0.3, "low": 0.2, "high": 0.4, "n": 17}
    beside = {"by_length": {"dev": {"exact_match": [group]}}, "gold_parses": {"dev": 0.6}, "signatures": {"bleu": EVIL}}
    write(run / "scores.json", scores | beside)
    text = "".join(read(page_of(folder_of(run))).text)
    for shown in ("6–10", "17", "30.0%", "20.0 to 40.0", "60.0%", EVIL):
        assert shown in text


def test_the_same_run_gives_the_same_bytes(run):
    first = write_report(folder_of(run)).read_bytes(), (run / "curves.png").read_bytes()
    assert (write_report(folder_of(run)).read_bytes(), (run / "curves.png").read_bytes()) == first
    assert first[1].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", ["environment.json", "budget.json", "metrics.jsonl", "scores.json", "predictions.jsonl", "attention.json"]
)
def test_a_missing_part_is_left_out_and_named(run, name):
    (run / name).unlink()
    page = page_of(folder_of(run))
    read(page)
    if name != "budget.json":
        assert 'class="absent"' in page


def test_a_bare_configuration_is_enough(tmp_path):
    write(tmp_path / "config.json", {})
    assert read(write_report(folder_of(tmp_path)).read_text(encoding="utf-8"))
    assert not (tmp_path / "curves.png").exists()


def test_a_damaged_line_is_named(run):
    with open(run / "predictions.jsonl", "a") as file:
        file.write('{"split": "de')
    with pytest.raises(UserError, match=r"predictions\.jsonl:3: damaged line"):
        folder_of(run)


def test_best_and_worst_share_nothing_and_are_in_order():
    records = [prediction(number, exact=number % 3 == 0, score=float(number)) for number in range(100)]
    best, worst = best_and_worst(records)
    assert len(best) == len(worst) == 20
    assert [record["score"] for record in best] == sorted((float(n) for n in range(42, 100, 3)), reverse=True)
    assert worst[0]["score"] == 1.0 and not any(record["exact"] for record in worst)
    few_best, few_worst = best_and_worst(records[:7])
    assert len(few_best) + len(few_worst) == 7
    assert not {record["id"] for record in few_best} & {record["id"] for record in few_worst}


def test_a_bad_prediction_is_among_the_worst_though_another_line_of_the_same_reference_is_right():
    records = [prediction(number, exact=True) for number in range(30)]
    wrong = prediction(30, exact=False) | {"reference": records[0]["reference"]}
    assert best_and_worst([*records, wrong])[1][0] == wrong


def test_a_program_that_passes_stands_above_one_that_only_looks_alike():
    records = [prediction(1, passed=False, score=99.0), prediction(2, passed=True, score=10.0)]
    best, worst = best_and_worst(records)
    assert best[0]["id"] == "dev-2" and worst[0]["id"] == "dev-1"


def test_phases_follow_one_another_whether_or_not_their_steps_start_again():
    again = split_phases(metrics(10))
    assert again[1].steps == list(range(11, 21))
    onward = split_phases([record | {"step": number} for number, record in enumerate(metrics(10), start=1)])
    assert onward[1].steps == again[1].steps


def test_thinning_keeps_the_mean_and_the_span():
    steps = [float(step) for step in range(10_000)]
    some, values = thinned(steps, [2.0 * step for step in steps])
    assert len(some) <= MAX_POINTS
    assert some[0] < 100 and some[-1] > 9_900
    assert values == pytest.approx([2.0 * step for step in some])


def test_values_that_are_missing_or_not_finite_leave_gaps():
    records = [{"phase": "training", "step": 1, "loss": None}, {"phase": "training", "step": 2, "loss": math.inf},
               {"phase": "training", "step": 3, "loss": 1.0}]
    phase = split_phases(records)[0]
    assert thinned(phase.steps, phase.values["loss"]) == ([3.0], [1.0])
    for svg in curve_svgs(records).values():
        ElementTree.fromstring(svg.replace("xlink:", ""))


def test_an_attention_map_has_a_square_for_every_weight_and_labels_for_every_piece():
    weights = [[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]]
    picture = attention_map({"source": ["a", "<b>"], "target": ["x", "y", "z"], "weights": weights, "copy": None})
    root = ElementTree.fromstring(picture)
    squares = [node for node in root.iter("rect") if node.get("class") == "weight"]
    assert len(squares) == 5
    assert [float(square.get("fill-opacity")) ** 2 for square in squares] == pytest.approx(
        [1.0, 0.25, 0.75, 0.5, 0.5], abs=0.02
    )
    assert [node.text for node in root.iter("text")] == ["a", "<b>", "x", "y", "z"]


@pytest.fixture
def hostile_run(run):
    """A run whose every text is an attack: descriptions, references, predictions, pieces, settings, names."""
    records = [
        prediction(number, nl=f"{number} {text}", reference=f"x{number} = {text}", prediction=f"{text} + {number}",
                   id=text, split=text, passed=False, status=text)
        for number, text in enumerate(ATTACKS)
    ]  # fmt: skip
    write(run / "predictions.jsonl", records)
    weights = [[1 / len(ATTACKS)] * len(ATTACKS)] * len(ATTACKS)
    write(run / "attention.json", [{"source": ATTACKS, "target": ATTACKS, "weights": weights}])
    write(run / "config.json", {text: text for text in ATTACKS})
    write(run / "environment.json", {"machine": ATTACKS[0], "command": ATTACKS})
    return run


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium")
def test_a_browser_runs_nothing_that_a_stranger_has_written(hostile_run, tmp_path):
    page = write_report(folder_of(hostile_run))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000",
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<title>run &lt;i&gt;one</title>" in done.stdout and "<script" not in done.stdout.lower()
    assert done.stdout.count("<article") == len(ATTACKS) and "<iframe" not in done.stdout and "<img" not in done.stdout


def test_what_turns_the_direction_or_has_no_width_is_seen_in_the_page(hostile_run):
    page = page_of(folder_of(hostile_run))
    assert "[U+202E]gnitset[U+202C] [U+2066]x[U+2069] a[U+200B]b [U+FEFF][U+00AD] [U+009B] [U+E0041]" in page
    assert "␇␛[31mred␛[0m␡" in page and "a[U+2028]b[U+2029]c" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", page)
