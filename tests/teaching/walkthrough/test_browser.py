"""The page in a real browser, from a file: no error, all of its proofs hold, keys and addresses lead where they say.

The test's own script is put behind the page's; it plays a reader and leaves what it saw in the document.
"""

import json
import os
import select
import shutil
import subprocess
import time
from itertools import count

import pytest

from model.config import PRESETS
from teaching.walkthrough.page import write_page

VARIANTS = (*PRESETS, "vaswani2017, copy head", "t5, copy head", "modern, copy head", "modern, ALiBi",
            "modern, no positions", "BART's quirks", "Marian's quirks", "T5's wide heads",
            "nn.Transformer's final norm")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
         "--disable-ipc-flooding-protection"]  # the tests change the address more often than a reader can
PATIENCE = 120  # seconds before a browser that says nothing is given up
READER = """(async () => {
const seen = {};
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const press = (key, target = document.activeElement) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const visit = (hash) => hash === (location.hash || "#") ? null : new Promise((done) => {
  addEventListener("hashchange", () => setTimeout(done), { once: true });
  location.hash = hash;
});
const text = (selector) => document.querySelector(selector)?.textContent ?? null;
while (!document.body.dataset.checked) await wait(10);
seen.checks = { ...document.body.dataset };
%s
return seen;
})()"""


class Browser:
    """Chromium without a window, led through its DevTools protocol: JSON over a pair of pipes, ended by zero bytes."""

    def __init__(self, profile):
        commands, self.write = os.pipe()
        self.read, answers = os.pipe()
        start = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'  # Chromium reads from 3 and writes to 4
        self.process = subprocess.Popen(
            ["bash", "-c", start, CHROMIUM, *FLAGS, f"--user-data-dir={profile}"], pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self.numbers, self.buffer, self.events = count(1), b"", []

    def message(self):
        """The next answer or event."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self.read, 1 << 16) if ready else b""
            assert part, "the browser says nothing more"
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(line)

    def call(self, method, session=None, **parameters):
        """Send a command and wait for its result; events on the way are kept."""
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self.write, json.dumps(command).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def await_event(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def read_page(self, file, script="", width=1400, address=""):
        """Open a file as wide as this, have the script read it: what it saw. The console must stay silent."""
        self.events.clear()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        self.call("Emulation.setDeviceMetricsOverride", session, width=width, height=1000, deviceScaleFactor=1,
                  mobile=False)
        self.call("Page.navigate", session, url=file.as_uri() + address)
        self.await_event("Page.loadEventFired")
        answer = self.call("Runtime.evaluate", session, expression=READER % script, awaitPromise=True,
                           returnByValue=True)
        self.call("Target.closeTarget", targetId=target)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        assert [event for event in self.events if event.get("method") in complaints] == []
        asked = [event["params"]["request"]["url"] for event in self.events
                 if event.get("method") == "Network.requestWillBeSent"]
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        return answer["result"]["value"]


@pytest.fixture(scope="module")
def read_page(tmp_path_factory):
    """read_page(page, script, width): what a browser shows of the HTML."""
    folder = tmp_path_factory.mktemp("browser")
    browser = Browser(folder / "profile")

    def read(page, script="", width=1400, address=""):
        file = folder / "page.html"
        file.write_text(page, encoding="utf-8")
        return browser.read_page(file, script, width, address)

    yield read
    browser.call("Browser.close")
    browser.process.wait(PATIENCE)


def proofs_hold(checks):
    assert checks["agreed"] == checks["checked"] and int(checks["checked"]) > 300
    assert checks["held"] == checks["invariants"] and int(checks["invariants"]) > 20
    return True


@pytest.mark.parametrize("variant", [*PRESETS, "Marian's quirks"])
def test_every_cell_computed_again_agrees_and_every_invariant_holds(tell, read_page, variant):
    visit_kinds = """
  const kinds = new Map(data.operations.map((operation) => [operation.kind, operation.name]));
  seen.titles = [];
  for (const name of kinds.values()) {
    await visit(`#${name}/r1/c1`);
    seen.titles.push(text("h1"));
  }"""
    seen = read_page(write_page(tell(variant, n_encoder_layers=1, n_decoder_layers=1), 5)[0], visit_kinds)
    assert proofs_hold(seen["checks"]) and len(seen["titles"]) > 10 and all(seen["titles"])


@pytest.mark.parametrize("kept", [0.9, *(pytest.param(kept, marks=pytest.mark.slow) for kept in (0.97, 0.94, 0.85))])
def test_a_page_with_arrays_left_out_still_proves_what_it_has(tell, read_page, kept):
    story = tell("modern, copy head", n_encoder_layers=1, n_decoder_layers=1)
    full = len(write_page(story, 5)[0].encode())
    page, left_out = write_page(story, kept * full / 1e6)
    visit_all = """
  for (const [i, operation] of data.operations.entries()) {
    await visit(`#${operation.name}/r2/c1${i % 2 ? "/gradient" : ""}`);
  }
  await visit("#output");
  await visit("#");
  seen.named = document.body.textContent.includes("left out to keep this page small");"""
    seen = read_page(page, visit_all)
    checks = seen["checks"]
    assert left_out and seen["named"]
    assert checks["agreed"] == checks["checked"] and checks["held"] == checks["invariants"]


def test_the_reader_hears_the_console_and_sees_requests(read_page):
    complaints = (
        "console.error('x')", "setTimeout(() => { throw Error('x') })", "new Image().src = 'http://x.invalid/'"
    )
    for complaint in complaints:
        with pytest.raises(AssertionError):
            read_page(f"<body><script>{complaint};setTimeout(() => document.body.dataset.checked = 1, 50)</script>")


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_panel_of_every_variant_can_be_opened(tell, read_page, variant):
    visit_all = """
  seen.titles = [];
  for (const operation of data.operations) for (const part of ["", "/gradient"]) {
    await visit(`#${operation.name}${part}`);
    await visit(`#${operation.name}/r1/c1${part}`);
    seen.titles.push(text(".sum h3"));
  }"""
    seen = read_page(write_page(tell(variant), 5)[0], visit_all)
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
  const term = document.querySelector('.equation [data-role="scores"]');
  term.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  seen.pointed = [...document.querySelectorAll(".lit[data-role]")].map((part) => part.dataset.role);
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
  seen.temperature = [best()];
  for (const temperature of [0.3, 3]) {
    await visit(`#log_probs/temperature${temperature}`);
    seen.temperature.push(best());
  }
  await visit("#");
  seen.canvases = [document.querySelectorAll("canvas").length,
                   (dispatchEvent(new Event("beforeprint")), document.querySelectorAll("img.still").length),
                   (dispatchEvent(new Event("afterprint")), document.querySelectorAll("img.still").length)];
"""


@pytest.fixture(scope="module")
def tour(tell, read_page):
    """What the reader saw on one round through the page."""
    return read_page(write_page(tell("modern, copy head"), 5)[0], TOUR)


def test_an_address_restores_the_whole_state(tour):
    seen = tour["restored"]
    assert seen["level"] == "cell" and seen["step"] == "6" and seen["pressed"] == "true" and seen["here"] == "2"
    assert seen["crumbs"] == "MapDecoder layer 2Cross-attention: weightsrow 4, column 3"
    assert seen["head"].startswith("head 2") and seen["cell"].startswith("Row 4") and "column 3" in seen["cell"]
    assert tour["unknown"] == "map"


ODD_ADDRESSES = [
    "%E0%A4%A", "%", "%zz", "decoder.0%", "decoder.0/%C3", "constructor", "__proto__", "toString/h1/r1/c1",
    "decoder.0/h99999/t99999", "decoder.0.self_attention.weights/h0/r0/c0/t0", "log_probs/r1e9/c-3",
    "decoder.0.self_attention.weights/h1e300/r2/c2", "decoder.0.self_attention.weights/hNaN/r1.5/cx/t-1/temperature",
    "log_probs/temperature0", "log_probs/temperature1e999", "log_probs/temperatureNaN", "////", "/gradient", "#",
    "decoder.0.self_attention.weights//r1//c1", "decoder.99", "DECODER.0", " decoder.0", "<b>", "\ud83d\ude00",
]  # fmt: skip


@pytest.fixture(scope="module")
def small_page(tell):
    return write_page(tell("modern, copy head", n_encoder_layers=1, n_decoder_layers=1), 5)[0]


def test_an_address_that_is_none_leads_to_a_view_and_never_to_an_empty_page(small_page, read_page):
    visit_all = f"""
  seen.shown = [];
  for (const hash of {json.dumps(ODD_ADDRESSES)}) {{
    await visit("#" + hash);
    seen.shown.push([hash, document.body.dataset.level, text("h1"), document.getElementById("main").children.length]);
    await visit("#decoder.0");
  }}"""
    shown = read_page(small_page, visit_all)["shown"]
    assert [hash for hash, level, title, parts in shown if not (level and title and parts > 1)] == []
    levels = {hash: level for hash, level, *_ in shown}
    assert levels["%E0%A4%A"] == levels["constructor"] == levels["__proto__"] == levels["decoder.99"] == "map"
    assert levels["decoder.0/h99999/t99999"] == "layer"


@pytest.mark.parametrize("address", ["#%E0%A4%A", "#constructor", "#decoder.0/%"])
def test_a_page_that_is_opened_at_such_an_address_shows_the_map(small_page, read_page, address):
    read = "seen.level = document.body.dataset.level; seen.title = text('h1');"
    seen = read_page(small_page, read, address=address)
    assert seen["level"] == "map" and seen["title"] == "From a description to code"


def test_a_cell_lights_its_term_and_its_line(tour):
    assert {"out", "scores"} <= set(tour["restored"]["lit"]) and tour["restored"]["line"]
    assert tour["restored"]["code"].startswith("weights = scores.softmax(dim=-1)")


def test_a_term_of_the_equation_lights_its_matrix_and_its_name_in_the_code(tour):
    assert set(tour["pointed"]) == {"scores"} and len(tour["pointed"]) >= 4  # terms, name in the code, matrix, title


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


def test_no_array_can_be_changed_unnoticed(tell, read_page):
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
    seen = read_page(write_page(with_copies, 5)[0], change)
    assert seen["changed"] > 80 and seen["unnoticed"] == []


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_runs_over_the_edge_of_a_phone_or_of_a_desk(tell, read_page, width):
    look = """
  seen.over = [];
  for (const hash of ["", "decoder.0", "decoder.0.cross_attention.weights/h2/r3/c2", "encoder.0.feed_forward.gate",
                      "log_probs", "loss/slide", "encoder.0.self_attention.queries/gradient"]) {
    await visit("#" + hash);
    const page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) seen.over.push(`${hash}: ${page.scrollWidth} > ${page.clientWidth}`);
  }
  seen.width = innerWidth;"""
    seen = read_page(write_page(tell("modern, copy head"), 5)[0], look, width)
    assert seen["width"] == width and seen["over"] == []
