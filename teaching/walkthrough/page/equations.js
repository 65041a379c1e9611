// The equation of each kind of operation in MathML; what an input is called there carries its role, to be lit with it.
"use strict";

const escapeHTML = (text) =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const mi = (name) => `<mi>${name}</mi>`;
const mo = (sign) => `<mo>${sign}</mo>`;
const mn = (value) => `<mn>${value}</mn>`;
const mt = (text) => `<mtext>${text}</mtext>`;
const row = (...parts) => `<mrow>${parts.join("")}</mrow>`;
const sub = (base, index) => `<msub>${base}${row(index)}</msub>`;
const sup = (base, index) => `<msup>${base}${row(index)}</msup>`;
const frac = (above, below) => `<mfrac>${row(above)}${row(below)}</mfrac>`;
const root = (inside) => `<msqrt>${inside}</msqrt>`;
const sumOver = (index, inside) => `<munder>${mo("∑")}${row(index)}</munder>${inside}`;
const role = (name, inside) => `<mrow class="role" data-role="${name}">${inside}</mrow>`;
const cell = (letter, i, j) => sub(mi(letter), `${mi(i)}${j}`);
const X = (index = mi("j")) => role("x", cell("x", "r", index));
const out = (inside) => role("out", inside);
const GATED = { geglu: "GELU", swiglu: "SiLU" };

function linearEquation(operation, letter) {
  const bias = operation.excerpts.b ? mo("+") + sub(mi("b"), mi("c")) : "";
  return out(cell(letter, "r", mi("c"))) + mo("=") + sumOver(mi("j"), X() + sub(mi("W"), mi("c") + mi("j"))) + bias;
}

function projectionEquation(operation) {
  const letter = { queries: "Q", keys: "K", values: "V" }[operation.name.split(".").pop()];
  const plain = sumOver(mi("j"), X() + sub(sup(mi("W"), mi(letter)), mi("c") + mi("j")));
  if (!operation.inputs.cosine) {
    return (
      out(cell(letter, "r", mi("c"))) + mo("=") + plain + (operation.excerpts.b ? mo("+") + sub(mi("b"), mi("c")) : "")
    );
  }
  const angle = sub(mi("θ"), mi("r")),
    pair = mi("x") + sub(mi("W"), mt("c's pair"));
  return (
    out(cell(letter, "r", mi("c"))) +
    mo("=") +
    role("cosine", mi("cos") + angle) +
    mo("·") +
    plain +
    mo("∓") +
    role("sine", mi("sin") + angle) +
    mo("·") +
    pair
  );
}

function normEquation(operation) {
  const layer = operation.variant === "layer",
    bias = operation.excerpts.bias ? mo("+") + sub(mi("b"), mi("c")) : "";
  const above = X(mi("c")) + (layer ? mo("−") + sub(mi("μ"), mi("r")) : "");
  const square = layer
    ? sup(sub(mi("σ"), mi("r")), mn(2))
    : row(mi("mean"), sup(sub(role("x", mi("x")), mi("r")), mn(2)));
  return (
    out(cell("y", "r", mi("c"))) +
    mo("=") +
    frac(above, root(square + mo("+") + mi("ε"))) +
    mo("·") +
    sub(mi("g"), mi("c")) +
    bias
  );
}

function scoresEquation(operation, width) {
  const product = sumOver(mi("j"), role("queries", cell("Q", "r", mi("j"))) + role("keys", cell("K", "c", mi("j"))));
  const scaled = operation.numbers.scale === 1 ? product : frac(product, root(width));
  const bias = operation.inputs.bias ? mo("+") + role("bias", cell("B", "r", mi("c"))) : "";
  return out(cell("S", "r", mi("c"))) + mo("=") + scaled + bias;
}

const EQUATIONS = {
  embedding: () => out(cell("x", "r", mi("c"))) + mo("=") + sub(mi("E"), mt("id of piece r") + mo(",") + mi("c")),
  embedding_sum(operation) {
    const factor = operation.numbers.factor === 1 ? "" : root(sub(mi("d"), mt("model")));
    const added = operation.inputs.positions ? mo("+") + role("positions", cell("p", "r", mi("c"))) : "";
    return out(cell("x", "r", mi("c"))) + mo("=") + factor + role("embedding", cell("e", "r", mi("c"))) + added;
  },
  norm: normEquation,
  linear: (operation) =>
    linearEquation(
      operation,
      { gate: "g", inner: "u", states: "a", queries: "q" }[operation.name.split(".").pop()] || "o",
    ),
  projection: projectionEquation,
  scores: (operation) => scoresEquation(operation, sub(mi("d"), mi("k"))),
  copy_scores: (operation) => scoresEquation(operation, sub(mi("d"), mt("model"))),
  weights() {
    const e = (index) => sup(mi("e"), role("scores", sub(mi("S"), mi("r") + index)));
    return (
      out(cell("A", "r", mi("c"))) + mo("=") + frac(e(mi("c")), sumOver(mi("i") + mt("\u00a0not masked"), e(mi("i"))))
    );
  },
  heads: () =>
    out(cell("H", "r", mi("c"))) +
    mo("=") +
    sumOver(mi("i"), role("weights", cell("A", "r", mi("i"))) + role("values", cell("V", "i", mi("c")))),
  concatenation(operation) {
    const heads = mi("Concat") + mo("(") + role("x", sub(mi("H"), mn(1)) + mo("…") + sub(mi("H"), mi("h"))) + mo(")");
    return (
      out(cell("o", "r", mi("c"))) +
      mo("=") +
      sub(row(heads, sup(mi("W"), mi("O"))), mi("r") + mi("c")) +
      (operation.excerpts.b ? mo("+") + sub(mi("b"), mi("c")) : "")
    );
  },
  activation(operation) {
    const inner = role("inner", cell("u", "r", mi("c"))),
      y = out(cell("y", "r", mi("c"))) + mo("=");
    if (!operation.inputs.gate) return y + mi(ACTIVATIONS[operation.variant].name) + mo("(") + inner + mo(")");
    return (
      y + mi(GATED[operation.variant]) + mo("(") + role("gate", cell("g", "r", mi("c"))) + mo(")") + mo("·") + inner
    );
  },
  residual: () =>
    out(cell("x", "r", mi("c")) + mo("′")) + mo("=") + X(mi("c")) + mo("+") + role("output", cell("o", "r", mi("c"))),
  logits(operation) {
    const scale = operation.numbers.scale === 1 ? "" : frac(mn(1), root(sub(mi("d"), mt("model")))) + mo("·");
    return (
      out(cell("z", "t", mi("v"))) +
      mo("=") +
      scale +
      sumOver(
        mi("j"),
        role("x", sub(sup(mi("H"), mt("dec")), mi("t") + mi("j"))) + sub(sup(mi("W"), mi("o")), mi("v") + mi("j")),
      ) +
      (operation.excerpts.b ? mo("+") + sub(mi("b"), mi("v")) : "")
    );
  },
  copy_gate: () =>
    out(sub(mi("g"), mi("t"))) +
    mo("=") +
    mi("w") +
    mo("·") +
    mo("[") +
    role("x", sub(sup(mi("H"), mt("dec")), mi("t"))) +
    mo(";") +
    sumOver(mi("j"), role("scores", cell("a", "t", mi("j"))) + role("memory", sub(sup(mi("H"), mt("enc")), mi("j")))) +
    mo("]") +
    mo("+") +
    mi("b"),
  log_softmax: () =>
    out(mi("log") + sub(mi("P"), mi("t") + mi("v"))) +
    mo("=") +
    role("logits", cell("z", "t", mi("v"))) +
    mo("−") +
    mi("log") +
    sumOver(mi("u"), sup(mi("e"), role("logits", cell("z", "t", mi("u"))))),
  mixture() {
    const share = role("gate", sub(mi("p"), mt("gen")));
    return (
      out(sub(mi("P"), mi("t") + mi("v"))) +
      mo("=") +
      share +
      mo("·") +
      sub(row(mi("softmax"), role("logits", sub(mi("z"), mi("t")))), mi("v")) +
      mo("+") +
      mo("(") +
      mn(1) +
      mo("−") +
      share +
      mo(")") +
      mo("·") +
      sumOver(row(sub(mi("x"), mi("j")), mo("="), mi("v")), role("scores", cell("a", "t", mi("j"))))
    );
  },
  loss: () =>
    mi("L") +
    mo("=") +
    frac(mn(1), mi("T")) +
    sumOver(mi("t"), out(sub(mi("L"), mi("t")))) +
    mo(",") +
    out(sub(mi("L"), mi("t"))) +
    mo("=") +
    mo("−") +
    role("log_probs", row(mi("log"), sub(mi("P"), mi("t") + sub(mi("y"), mi("t"))))),
};

function equationElement(operation) {
  const holder = el("div", { class: "equation" });
  const dims = dimsOf(operation.name),
    [rows, columns] = dims.slice(-2);
  const middle = { scores: "k", copy_scores: "d", projection: "d", linear: "d", logits: "d" }[operation.kind];
  const colours = { r: rows, t: rows, c: columns, v: columns, j: middle };
  const coloured = EQUATIONS[operation.kind](operation).replace(/<mi>([rtcvj])<\/mi>/g, (whole, letter) =>
    colours[letter] ? `<mi class="dim-${colours[letter]}">${letter}</mi>` : whole,
  );
  holder.innerHTML = `<math display="block" aria-label="Equation of ${escapeHTML(operationName(operation))}">${row(coloured)}</math>`;
  return holder;
}

// In the gradient view: how the gradient of this array comes from those of its readers.
function backwardElement(operation) {
  if (state.part !== "gradient") return null;
  const readers = readersOf(operation.name).map((reader) =>
    el(
      "a",
      { href: link({ at: reader.name }) },
      `${layerOf(reader) === layerOf(operation) ? "" : layerName(layerOf(reader)) + ", "}${operationName(reader)}`,
    ),
  );
  const cells = array(operation.name, "gradient") ? cellsToCheck(operation, "gradient") : [],
    known = operation.name === "loss" ? null : cells.map((at) => gradientOf(operation.name, ...at)).find(Boolean);
  return el(
    "div",
    { class: "backward" },
    el("span", { class: "soft" }, "∂L/∂ of what reads it: "),
    ...readers.flatMap((reader, i) => (i ? [", ", reader] : [reader])),
    readers.length ? null : "the loss itself: its mean hands 1/T to each piece",
    known ? el("div", { class: "rule" }, `= ${known.rule}`) : null,
  );
}

// The source line, its variables carrying the roles of the equation.
function codeElement(operation) {
  const names = {
    ...Object.fromEntries(Object.keys(operation.inputs).map((name) => [name, name])),
    added: "positions",
    hidden: "inner",
    scores: operation.kind === "scores" ? "out" : "scores",
    states: "x",
    concatenated: "x",
    index: "scores",
    generated: "logits",
    memory: "keys",
  };
  const text = escapeHTML(operation.code.text).replace(/\b[a-z_]+\b/g, (word) =>
    names[word] ? `<span class="role" data-role="${names[word]}">${word}</span>` : word,
  );
  const code = el("code", { class: "line" });
  code.innerHTML = text;
  return el(
    "div",
    { class: "source" },
    code,
    el("span", { class: "place" }, `${operation.code.file}:${operation.code.line}`),
  );
}
