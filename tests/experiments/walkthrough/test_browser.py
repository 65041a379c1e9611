"""The page in a real browser, from a file: no error, all of its proofs hold, keys and addresses lead where they say.

The test's own script is put behind the page's; it plays a reader and leaves what it saw in the document.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.walkthrough.page import write_page
from model.config import PRESETS

VARIANTS = (*PRESETS, "vaswani2017, copy head", "t5, copy head", "modern, copy head", "modern, ALiBi",
            "modern, no positions")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-dev-shm-usage", "--enable-logging=stderr"]
READER = """
const seen = {}, errors = [];
addEventListener("error", (event) => errors.push(event.message));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const press = (key, target = document.activeElement) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const visit = async (hash) => { location.hash = hash; await wait(60); };
const text = (selector) => document.querySelector(selector)?.textContent ?? null;
async function read() {
  while (!document.body.dataset.checked) await wait(20);
  seen.checks = { ...document.body.dataset };
  %s
}
read().catch((error) => errors.push(String(error)))
  .finally(() => parent.postMessage(JSON.stringify({ place: location.pathname, seen, errors }), "*"));
"""
FRAMES = """<!doctype html><pre id="result"></pre>%s<script>
const answers = [];
addEventListener("message", (event) => {
  answers.push(event.data);
  if (answers.length === frames.length) document.getElementById("result").textContent = `[${answers.join(",")}]`;
});
</script>"""


def read_pages(tmp_path, pages, script=""):
    """Open pages {name: (page, width in pixels)} in frames of one browser, have the script read each: what it saw."""
    for name, (page, _) in pages.items():
        reading = page.replace("</body>", f"<script>{READER % script}</script></body>")
        (tmp_path / f"{name}.html").write_text(reading, encoding="utf-8")
    frames = (f'<iframe src="{name}.html" style="width:{width}px;height:1000px;border:0"></iframe>'
              for name, (_, width) in pages.items())
    (tmp_path / "frames.html").write_text(FRAMES % "".join(frames))
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1500,1000",
               "--virtual-time-budget=60000", "--dump-dom", (tmp_path / "frames.html").as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert [line for line in result.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r'<pre id="result">(.+?)</pre>', result.stdout, re.DOTALL)
    assert found, "the script did not come to its end"
    answers = json.loads(html.unescape(found.group(1)))
    assert [answer["errors"] for answer in answers] == [[]] * len(pages)
    return {Path(answer["place"]).stem: answer["seen"] for answer in answers}


def read_page(tmp_path, page, script=""):
    """The same for one page."""
    return read_pages(tmp_path, {"page": (page, 1400)}, script)["page"]


def proofs_hold(checks):
    assert checks["agreed"] == checks["checked"] and int(checks["checked"]) > 300
    assert checks["held"] == checks["invariants"] and int(checks["invariants"]) > 20
    return True


def test_in_all_five_presets_every_cell_computed_again_agrees_and_every_invariant_holds(tell, tmp_path):
    visit_kinds = """
  const kinds = new Map(data.operations.map((operation) => [operation.kind, operation.name]));
  seen.titles = [];
  for (const name of kinds.values()) {
    await visit(`#${name}/r1/c1`);
    seen.titles.push(text("h1"));
  }"""
    pages = {name: (write_page(tell(name, n_encoder_layers=1, n_decoder_layers=1), 5)[0], 1400) for name in PRESETS}
    for seen in read_pages(tmp_path, pages, visit_kinds).values():
        assert proofs_hold(seen["checks"]) and len(seen["titles"]) > 10 and all(seen["titles"])


def test_a_page_with_arrays_left_out_still_proves_what_it_has(tell, tmp_path):
    story = tell("modern, copy head", n_encoder_layers=1, n_decoder_layers=1)
    full = len(write_page(story, 5)[0].encode())
    pages = {}
    for kept in (0.93, 0.86, 0.8):
        page, left_out = write_page(story, kept * full / 1e6)
        assert left_out
        pages[f"kept{kept}".replace(".", "")] = (page, 1400)
    visit_all = """
  await visit("#output");
  for (const operation of data.operations) for (const part of ["", "/gradient"]) {
    await visit(`#${operation.name}/r2/c1${part}`);
  }
  seen.named = (await visit("#"), document.body.textContent.includes("left out to keep this page small"));"""
    for seen in read_pages(tmp_path, pages, visit_all).values():
        checks = seen["checks"]
        assert checks["agreed"] == checks["checked"] and int(checks["checked"]) > 30 and seen["named"]
        assert checks["held"] == checks["invariants"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_panel_of_every_variant_can_be_opened(tell, tmp_path, variant):
    visit_all = """
  seen.titles = [];
  for (const operation of data.operations) for (const part of ["", "/gradient"]) {
    await visit(`#${operation.name}${part}`);
    await visit(`#${operation.name}/r1/c1${part}`);
    seen.titles.push(text(".sum h3"));
  }"""
    seen = read_page(tmp_path, write_page(tell(variant), 5)[0], visit_all)
    assert proofs_hold(seen["checks"]) and all(title.startswith("Row 1") for title in seen["titles"])


TOUR = """
  await visit("#decoder.1.cross_attention.weights/h2/r4/c3/t6/gradient");
  seen.restored = {
    level: document.body.dataset.level, crumbs: text("#crumbs"), step: document.getElementById("step").value,
    pressed: document.getElementById("gradient").getAttribute("aria-pressed"),
    head: text('.heads [aria-current="true"]'), cell: text(".sum h3"), here: text('#where .mini [aria-current="true"]'),
    lit: [...document.querySelectorAll(".equation .lit")].map((part) => part.dataset.role),
    line: document.querySelector(".source").classList.contains("lit"), code: text(".source .line"),
  };
  await visit("#nothing.of.the.kind/h9/r1000/c5/t999");
  seen.unknown = document.body.dataset.level;
  await visit("#decoder.0.self_attention.scores/r2/c5");
  seen.masked = text(".sum .masked");
  await visit("#decoder.0.cross_attention.weights/r2/c3");
  seen.sum = text(".sum");
  const walk = async (...keys) => {
    for (const key of keys) { press(key); await wait(60); }
    return decodeURIComponent(location.hash);
  };
  await visit("#");
  seen.keys = { layer: await walk("]", "]") };
  await visit("#encoder.0.self_attention.scores");
  seen.keys.head = await walk("h");
  seen.keys.nextLayer = await walk("l");
  seen.keys.nextStep = await walk("]");
  seen.keys.gradient = await walk("g");
  document.querySelector('[data-panel="out"]').focus();
  seen.keys.moved = (await walk("ArrowDown", "ArrowRight", "ArrowDown"), text("#live"));
  seen.keys.opened = await walk("Enter");
  seen.keys.arrows = await walk("ArrowRight");
  seen.keys.out = [await walk("Escape"), await walk("Escape"), await walk("Escape")];
  seen.keys.step = await walk(",", ",");
  seen.keys.slide = (await walk("s"), await walk("PageDown"), document.body.className + " " + location.hash);
  await visit("#decoder.0.self_attention.weights");
  press("?"); await wait(60);
  seen.help = document.getElementById("help").open && document.querySelectorAll("#help dt").length;
  document.getElementById("help").close();
  const behind = document.querySelector(".matrix .behind");
  behind.open = true; await wait(60);
  seen.table = [behind.querySelectorAll("tbody tr").length, behind.querySelectorAll("tbody tr:first-child td").length,
                behind.querySelector("tbody td").textContent];
  const picture = new DOMParser().parseFromString(svgOf(panels[0].panel), "image/svg+xml");
  seen.svg = [picture.querySelectorAll("rect").length, picture.querySelectorAll("parsererror").length,
              picture.querySelectorAll('rect[fill="url(#future)"]').length];
  document.querySelector(".choices button, body").click();
  await visit("#decoder.0.self_attention.weights/r1/c1");
  document.querySelectorAll(".choices button")[1].click();
  seen.answer = [text(".answer"), document.querySelectorAll(".choices .right").length,
                 document.querySelectorAll(".choices .wrong").length];
  await visit("#log_probs");
  const best = () => alternativesAt(3)[0][1];
  seen.temperature = [best(), (temperature = 0.3, best()), (temperature = 3, best())];
  temperature = 1;
  await visit("#");
  seen.canvases = [document.querySelectorAll("canvas").length,
                   (dispatchEvent(new Event("beforeprint")), document.querySelectorAll("img.still").length),
                   (dispatchEvent(new Event("afterprint")), document.querySelectorAll("img.still").length)];
"""


@pytest.fixture(scope="module")
def tour(tell, tmp_path_factory):
    """What the reader saw on one round through the page."""
    return read_page(tmp_path_factory.mktemp("tour"), write_page(tell("modern, copy head"), 5)[0], TOUR)


def test_an_address_restores_the_whole_state(tour):
    seen = tour["restored"]
    assert seen["level"] == "cell" and seen["step"] == "6" and seen["pressed"] == "true" and seen["here"] == "2"
    assert seen["crumbs"] == "MapDecoder layer 2Cross-attention: weightsrow 4, column 3"
    assert seen["head"].startswith("head 2") and seen["cell"].startswith("Row 4") and "column 3" in seen["cell"]
    assert tour["unknown"] == "map"


def test_a_cell_lights_its_term_and_its_line(tour):
    assert {"out", "scores"} <= set(tour["restored"]["lit"]) and tour["restored"]["line"]
    assert tour["restored"]["code"].startswith("weights = scores.softmax(dim=-1)")


def test_a_cell_is_written_as_a_sum_with_its_own_numbers(tour):
    assert "✓ computed here" in tour["sum"] and "sum of" in tour["sum"]


def test_a_masked_cell_says_why(tour):
    assert "a later piece" in tour["masked"] and "−∞" in tour["masked"]


def test_keys_lead_where_they_say(tour):
    keys = tour["keys"]
    assert keys["layer"] == "#encoder.0"
    assert keys["head"] == "#encoder.0.self_attention.scores/h2"
    assert keys["nextLayer"] == "#encoder.1.self_attention.scores/h2"
    assert keys["nextStep"] == "#encoder.1.self_attention.weights/h2"
    assert keys["gradient"] == "#encoder.1.self_attention.weights/h2/gradient"
    assert keys["moved"].startswith("row 2 ") and "column 2 " in keys["moved"]
    assert keys["opened"].endswith("/h2/r2/c2/gradient") and keys["arrows"].endswith("/h2/r2/c3/gradient")
    assert [place.partition("/")[0] for place in keys["out"]] == [
        "#encoder.1.self_attention.weights", "#encoder.1", "#"]
    assert "/t7" in keys["step"] and "slide" in keys["slide"] and "#encoder/" in keys["slide"]
    assert tour["help"] > 10


def test_behind_every_canvas_stands_a_table_of_its_numbers(tour):
    assert tour["table"] == [9, 9, "1"]  # 9 pieces; the first looks at itself alone


def test_a_panel_can_be_saved_as_svg_with_its_textures(tour):
    assert tour["svg"] == [81, 0, 36]


def test_a_question_is_answered_when_a_choice_is_made(tour):
    answer, right, wrong = tour["answer"]
    assert "look at itself alone" in answer and (right, wrong) == (1, 1)


def test_a_low_temperature_sharpens_and_a_high_one_flattens(tour):
    plain, low, high = tour["temperature"]
    assert high < plain < low or low == pytest.approx(1)


def test_print_replaces_every_canvas_by_a_still(tour):
    canvases, stills, after = tour["canvases"]
    assert stills == canvases > 0 and after == 0


def test_no_array_can_be_changed_unnoticed(tell, tmp_path):
    # Each array in turn is made a tenth larger; the page's own checks must object.
    change = """
  seen.unnoticed = []; seen.changed = 0;
  const forget = () => [...decoded].forEach(([key, whole]) => whole.derived && decoded.delete(key));
  for (const key of [...decoded.keys()]) {
    forget(); // what is computed here from other arrays
    const whole = array(...key.split(" "));
    if (whole.limit === 0 || key.startsWith("loss")) continue;
    const kept = whole.values;
    whole.values = kept.map((value) => 1.1 * value);
    if (!checkEverything().failures.length) seen.unnoticed.push(key);
    whole.values = kept;
    seen.changed += 1;
  }"""
    with_copies = tell("modern, copy head", n_encoder_layers=1, n_decoder_layers=1)
    seen = read_page(tmp_path, write_page(with_copies, 5)[0], change)
    assert seen["changed"] > 80 and seen["unnoticed"] == []


def test_nothing_runs_over_the_edge_of_a_phone_or_of_a_desk(tell, tmp_path):
    look = """
  seen.over = [];
  for (const hash of ["", "decoder.0", "decoder.0.cross_attention.weights/h2/r3/c2", "encoder.0.feed_forward.gate",
                      "log_probs", "loss/slide", "encoder.0.self_attention.queries/gradient"]) {
    await visit("#" + hash);
    const page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) seen.over.push(`${hash}: ${page.scrollWidth} > ${page.clientWidth}`);
  }
  seen.width = innerWidth;"""
    page, _ = write_page(tell("modern, copy head"), 5)
    seen = read_pages(tmp_path, {"phone": (page, 390), "desk": (page, 1400)}, look)
    assert {name: found["width"] for name, found in seen.items()} == {"phone": 390, "desk": 1400}
    assert all(found["over"] == [] for found in seen.values())
