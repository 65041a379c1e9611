// One operation: equation, code line and matrices as one object, and below the cell level the sum of one cell.
"use strict";

let panels = [];

function operationView() {
  const operation = operationOf[state.at],
    cellNow = level() === "cell" ? { row: state.row, column: state.column } : null;
  const side = el("aside", {}),
    sumHolder = el("div", {}),
    width = mainWidth();
  panels = [];
  const options = {
    head: state.head,
    width,
    current: operation,
    onHover: (cell, panel) => lightUp(operation, cell || cellNow, cell ? panel : null, sumHolder),
    onPick: pick,
    start: cellNow,
  };
  const output = outputPanel(operation, options, cellNow);
  const inputs = Object.entries(operation.inputs).map(([roleName, name]) =>
    matrixPanel({ ...options, name, role: roleName, part: "value", width: inputWidth(name, width) }),
  );
  panels = [output, ...inputs];
  side.append(sumHolder, questionElement(operation) || "", proofElement(operation, state.part));
  const view = el(
    "div",
    { class: `operation ${level()}` },
    el("div", { class: "formula" }, equationElement(operation), codeElement(operation), backwardElement(operation)),
    el(
      "div",
      { class: "work" },
      el(
        "div",
        { class: "matrices" },
        headTabs(operation),
        switches(operation),
        el("div", { class: "inputs" }, output.element, ...inputs.map((panel) => panel.element)),
        state.slide ? null : extras(operation),
      ),
      side,
    ),
  );
  const formula = view.querySelector(".formula");
  formula.addEventListener("pointerover", (event) => {
    const term = event.target.closest(".role");
    if (term) lightRole(term.dataset.role);
    else lightUp(operation, cellNow, null, sumHolder);
  });
  formula.addEventListener("pointerleave", () => lightUp(operation, cellNow, null, sumHolder));
  afterDrawing = () => lightUp(operation, cellNow, null, sumHolder);
  return view;
}

function outputPanel(operation, options, cellNow) {
  const onMove = cellNow ? (cell) => go({ row: cell.row, column: cell.column }, true) : null;
  const changed =
    state.contribution && operation.kind === "weights" && state.part === "value" ? contributionMatrix(operation) : null;
  const matrix = changed || undefined;
  return matrixPanel({
    ...options,
    name: operation.name,
    role: "out",
    part: state.part,
    onMove,
    matrix,
    allTokens: false,
    title: changed ? "Weight × ‖value · W_O‖" : undefined,
    scale: changed ? { kind: "signed", limit: changed.limit, shown: (value) => value } : undefined,
  });
}

// How much each key adds to the output: the weight times the length of its value behind W_O (Kobayashi et al. 2020).
function contributionMatrix(operation) {
  const weights = matrixOf(operation.name, "value", state.head),
    norms = operation.excerpts.value_norms;
  const at = (i, j) => weights.at(i, j) * norms.values[state.head * norms.shape[1] + j];
  let limit = 0;
  for (let i = 0; i < weights.rows; i++) for (let j = 0; j < weights.columns; j++) limit = Math.max(limit, at(i, j));
  return { ...weights, limit, at, row: (i) => Float32Array.from({ length: weights.columns }, (_, j) => at(i, j)) };
}

function mainWidth() {
  const main = document.getElementById("main").clientWidth;
  const side = state.slide ? 430 : level() === "cell" ? 475 : 390; // the column of sums beside the matrices
  return (innerWidth > 900 ? main - side : main) - 34;
}

function inputWidth(name, width) {
  const dims = dimsOf(name),
    columns = dims[dims.length - 1];
  return width > 700 && (columns === "k" || columns === "S" || columns === "T") ? (width - 62) / 2 : width;
}

// Hovering the output lights what the cell is made of; hovering an input lights that input.
function lightUp(operation, cell, panel, sumHolder) {
  const own = !panel || panel.role === "out";
  const sum = cell && own ? sumOf(operation, state.head, cell.row, cell.column) : null;
  for (const other of panels) {
    if (!other.panel) continue;
    const roleName = other.panel.role;
    if (!cell) other.light([]);
    else if (own && roleName === "out") other.light([{ row: cell.row, column: cell.column }]);
    else if (own) other.light((sum.lights || []).filter((light) => light.role === roleName));
    else if (roleName === panel.role) other.light([{ row: cell.row, column: cell.column }]);
    else if (roleName === "out") other.light(litOutput(operation, panel.role, cell));
    else other.light([]);
  }
  const lit = !cell ? [] : own ? ["out", ...new Set((sum.lights || []).map((light) => light.role))] : [panel.role];
  document
    .querySelectorAll("[data-role]")
    .forEach((element) => element.classList.toggle("lit", lit.includes(element.dataset.role)));
  document.querySelectorAll(".source").forEach((element) => element.classList.toggle("lit", Boolean(cell)));
  if (own) sumHolder.replaceChildren(sumElement(operation, state.head, cell, level() === "cell"));
}

// Pointing at a term of the equation or a name in the code lights it everywhere.
function lightRole(roleName) {
  document
    .querySelectorAll("[data-role]")
    .forEach((element) => element.classList.toggle("lit", element.dataset.role === roleName));
}

// Which output cells an input cell takes part in.
function litOutput(operation, roleName, cell) {
  const byColumn = (operation.kind === "scores" || operation.kind === "copy_scores") && roleName === "keys";
  if (byColumn) return [{ row: null, column: cell.row }];
  if (operation.kind === "heads" && roleName === "values") return [{ row: null, column: cell.column }];
  if (["residual", "embedding_sum", "activation"].includes(operation.kind))
    return [{ row: cell.row, column: cell.column }];
  return [{ row: cell.row, column: null }];
}

function pick(cell, panel) {
  if (panel.role === "out") go({ row: cell.row, column: cell.column });
  else if (operationOf[panel.name])
    location.hash = hashOf({ ...state, at: panel.name, row: cell.row, column: cell.column });
}

// The heads side by side, each a small picture; one is opened.
function headTabs(operation) {
  if (operation.dims[0] !== "h") return null;
  const heads = shapeOf(operation)[0];
  return el(
    "nav",
    { class: "heads", "aria-label": "Heads" },
    ...Array.from({ length: heads }, (_, head) =>
      el(
        "a",
        {
          href: link({ head, row: null, column: null }),
          "aria-current": head === state.head ? "true" : null,
        },
        thumbnail(operation.name, state.part, head, 92, 48),
        el("small", {}, `head ${head + 1} of ${heads}`),
      ),
    ),
  );
}

function switches(operation) {
  if (operation.kind !== "weights" || state.part !== "value") return null;
  const button = (text, contribution) =>
    el(
      "a",
      { href: link({ contribution }), "aria-current": state.contribution === contribution ? "true" : null },
      text,
    );
  return el(
    "nav",
    { class: "switch", "aria-label": "What is drawn" },
    button("weight", false),
    button("weight × ‖value · W_O‖", true),
  );
}

function extras(operation) {
  if (["log_probs", "logits", "copy.gate", "copy.scores"].includes(operation.name))
    return distributionElement(state.step);
  if (operation.name === "loss") {
    const rows = data.target.map((id, i) =>
      el(
        "tr",
        { class: i === state.step - 1 ? "target" : "" },
        el("td", {}, i + 1),
        el("td", {}, pieceText(data.input[i])),
        el("th", { scope: "row" }, pieceText(id)),
        el("td", {}, percent(Math.exp(-data.loss[i]))),
        el("td", {}, digits(data.loss[i])),
      ),
    );
    return el(
      "div",
      { class: "card scroll" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["step", "decoder reads", "label", "P", "−log P"].map((text) => el("th", { scope: "col" }, text)),
          ),
        ),
        el("tbody", {}, ...rows),
      ),
    );
  }
  return null;
}
