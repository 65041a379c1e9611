// Draws what the address says, and listens to the keyboard.
"use strict";

let proof = null;

function announce(words) {
  document.getElementById("live").textContent = words;
}

function proofWords() {
  if (!proof) return "computing its cells again …";
  const all = proof.agreed === proof.total && proof.held === proof.invariants;
  return `${all ? "✓" : "✗"} ${proof.agreed} of ${proof.total} cells computed again agree, ${proof.held} of ${proof.invariants} invariants hold`;
}

function render() {
  const focused =
    document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.panel : null;
  const views = { map: mapView, layer: layerView, operation: operationView, cell: operationView };
  document.body.className = `${level()}-level${state.slide ? " slide" : ""}`;
  document.body.dataset.level = level();
  const main = document.getElementById("main"),
    before = main.dataset.at;
  main.replaceChildren(el("h1", {}, titleNow()));
  afterDrawing = () => {};
  main.append(views[level()]());
  afterDrawing();
  main.dataset.at = state.at;
  crumbs();
  whereElement();
  partButtons();
  showStep();
  if (focused) document.querySelector(`[data-panel="${focused}"]`)?.focus({ preventScroll: true });
  if (before !== undefined && before !== state.at) {
    scrollTo({ top: 0 });
    announce(`${titleNow()}, ${level()} level`);
  }
  document.title = `${titleNow()} · ${data.prompt}`;
}

function titleNow() {
  if (level() === "map") return "From a description to code";
  if (level() === "layer") return layerName(state.at);
  const operation = operationOf[state.at];
  return operationName(operation);
}

function crumbs() {
  const items = [["Map", link({ at: "" })]];
  if (level() !== "map") items.push([layerName(layerNow()), link({ at: layerNow() })]);
  if (operationOf[state.at]) items.push([operationName(operationOf[state.at]), link({ row: null, column: null })]);
  if (level() === "cell") items.push([`row ${state.row + 1}, column ${state.column + 1}`, link({})]);
  document
    .getElementById("crumbs")
    .replaceChildren(
      ...items.map(([text, href], i) =>
        el("li", {}, el("a", { href, "aria-current": i === items.length - 1 ? "page" : null }, text)),
      ),
    );
}

// You are here: the map in small.
function whereElement() {
  const column = (stack) => el("div", {}, ...order(layers().filter((layer) => layer.startsWith(stack))).map(box));
  const box = (layer) =>
    el(
      "a",
      {
        href: link({ at: layer }),
        title: layerName(layer),
        "aria-label": layerName(layer),
        class: layer.includes(".") ? "" : "plain",
        "aria-current": layer === layerNow() ? "true" : null,
      },
      layer.includes(".") ? Number(layer.split(".")[1]) + 1 : layer === "output" ? "out" : "in",
    );
  const place = operationOf[state.at] ? operationOf[state.at].place : "";
  const steps = data.operations.filter((operation) => layerOf(operation) === layerNow());
  const list = el(
    "ol",
    {},
    ...steps.map((operation) =>
      el(
        "li",
        { class: operation.place === place ? "near" : "" },
        el(
          "a",
          { href: link({ at: operation.name }), "aria-current": operation.name === state.at ? "true" : null },
          operationName(operation),
        ),
      ),
    ),
  );
  const decoder = column("decoder");
  decoder.append(box("output"));
  document
    .getElementById("where")
    .replaceChildren(
      el("p", { class: "here" }, "you are here"),
      el("div", { class: "mini" }, column("encoder"), decoder),
      list,
    );
}

function partButtons() {
  for (const part of ["value", "gradient"]) {
    const button = document.getElementById(part);
    button.setAttribute("aria-pressed", String(state.part === part));
  }
  document.getElementById("slide").setAttribute("aria-pressed", String(state.slide));
}

const KEYS = {
  "[": ["previous step", () => stepBy(-1)],
  "]": ["next step", () => stepBy(1)],
  h: ["next head", () => nextHead(1)],
  H: ["previous head", () => nextHead(-1)],
  l: ["next layer", () => nextLayer(1)],
  L: ["previous layer", () => nextLayer(-1)],
  ",": ["piece before", () => go({ step: Math.max(1, state.step - 1) }, true)],
  ".": ["piece after", () => go({ step: Math.min(N_TARGET, state.step + 1) }, true)],
  g: ["value or gradient", () => go({ part: state.part === "value" ? "gradient" : "value" })],
  m: ["map", () => go({ at: "" })],
  s: ["slides on or off", () => go({ slide: !state.slide })],
  Escape: ["zoom out", zoomOut],
  "?": ["these keys", () => toggleHelp()],
};

function toggleHelp() {
  const dialog = document.getElementById("help");
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("help").open) return;
  const typing = event.target.matches("input, textarea, select");
  const slides = {
    PageDown: 1,
    PageUp: -1,
    ...(event.target.closest("[data-panel], input") ? {} : { ArrowRight: 1, ArrowLeft: -1 }),
  };
  if (state.slide && slides[event.key]) {
    event.preventDefault();
    stepBy(slides[event.key]);
  } else if (KEYS[event.key] && !(typing && event.key !== "Escape")) {
    event.preventDefault();
    KEYS[event.key][1]();
  }
}

function listenToButtons() {
  for (const part of ["value", "gradient"]) document.getElementById(part).addEventListener("click", () => go({ part }));
  document.getElementById("slide").addEventListener("click", () => go({ slide: !state.slide }));
  document.getElementById("keys").addEventListener("click", toggleHelp);
  document.getElementById("before").addEventListener("click", () => stepBy(-1));
  document.getElementById("after").addEventListener("click", () => stepBy(1));
  const rows = Object.entries({
    ...KEYS,
    "arrows, Enter": ["move over a matrix, open the cell"],
    "Page Up, Page Down": ["step through the slides"],
  });
  document
    .querySelector("#help dl")
    .append(...rows.map(([key, [text]]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text))));
  document.addEventListener("keydown", onKey);
}

async function start() {
  await decodeAll();
  readHash();
  makeSlider();
  listenToButtons();
  addEventListener("hashchange", () => {
    readHash();
    render();
  });
  addEventListener("resize", render);
  render();
  setTimeout(() => {
    proof = checkEverything();
    Object.assign(document.body.dataset, {
      checked: proof.total,
      agreed: proof.agreed,
      invariants: proof.invariants,
      held: proof.held,
    });
    if (proof.failures.length) console.error(`these do not agree: ${proof.failures.join("; ")}`);
    const place = document.querySelector("#proof dd");
    if (place) place.textContent = proofWords();
  }, 50);
}

start();
